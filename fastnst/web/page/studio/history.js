// Undo and redo: states are kept as they were after each change.

const MOST = 100;

export class History {
  #states;
  #at = 0;

  constructor(first) {
    this.#states = [first];
  }

  /** Keep a state; what had been undone is forgotten. */
  push(state) {
    this.#states = [...this.#states.slice(0, this.#at + 1), state].slice(-MOST);
    this.#at = this.#states.length - 1;
  }

  get canUndo() {
    return this.#at > 0;
  }

  get canRedo() {
    return this.#at < this.#states.length - 1;
  }

  undo() {
    return this.#states[(this.#at = Math.max(0, this.#at - 1))];
  }

  redo() {
    return this.#states[(this.#at = Math.min(this.#states.length - 1, this.#at + 1))];
  }
}

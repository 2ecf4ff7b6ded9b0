// Calling functions of a worker: one message there, one back, errors with their code.

/** A mistake in what the visitor gave; `code` names the sentence in texts.js that says so. */
export class PageError extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

/** In a worker: let the page call these functions. One that returns {value, transfer} gives buffers away. */
export function expose(functions) {
  self.onmessage = async ({ data: { id, name, args } }) => {
    try {
      const result = await functions[name](...args);
      if (result?.transfer) self.postMessage({ id, value: result.value }, result.transfer);
      else self.postMessage({ id, value: result });
    } catch (error) {
      self.postMessage({ id, error: { code: error.code, values: error.values, message: String(error) } });
    }
  };
}

/** On the page: a worker whose functions are called by `call(name, args, transfer)`. */
export class Connection {
  #worker;
  #waiting = new Map();
  #next = 0;
  #failure = null;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, value, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(value);
      else reject(error.code ? new PageError(error.code, error.values) : new Error(error.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#failAll(new Error(event.message || "the worker does not start"));
    };
  }

  call(name, args = [], transfer = []) {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, args }, transfer);
    });
  }

  /** End the worker; calls that wait fail with an AbortError. */
  end() {
    this.#worker.terminate();
    this.#failAll(new DOMException("ended", "AbortError"));
  }

  #failAll(error) {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

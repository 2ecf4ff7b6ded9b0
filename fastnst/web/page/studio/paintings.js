// Paintings that the visitor gives: each becomes one more style, without training.

import { PageError } from "../rpc.js";
import { text } from "../texts.js";
import { save } from "./save.js";

const $ = (selector) => document.querySelector(selector);

export class Paintings {
  #studio;
  #styles;
  #styleList;
  #pictures;
  #makeStyle;
  #size;

  /**
   * @param {{studio, styles: Map<string, object>, styleList, pictures}} parts
   * @param {{size: number, makeStyle: function(object): object}} how the longer side at which paintings are measured,
   *     and what makes a style of a name, pixels and the file's bytes (see network/open.js)
   */
  constructor({ studio, styles, styleList, pictures }, { size, makeStyle }) {
    this.#studio = studio;
    this.#styles = styles;
    this.#styleList = styleList;
    this.#pictures = pictures;
    this.#size = size;
    this.#makeStyle = makeStyle;
    $("#keep-style").addEventListener("click", () => this.#keep());
    studio.addEventListener("controls", () => {
      $("#keep-style").hidden = !this.#picked?.isKept;
    });
  }

  /** Add paintings as styles; the last one is picked. Those that cannot be read are told of. */
  async add(files) {
    if (files.length === 0) this.#studio.complain(new PageError("noPaintings"));
    for (const file of files) {
      try {
        await this.#add(file);
      } catch (error) {
        this.#studio.complain(error, { name: file.name });
      }
    }
  }

  async #add(file) {
    const isSame = ({ painting }) =>
      painting && ["name", "size", "lastModified"].every((each) => painting[each] === file[each]);
    const known = [...this.#styles.values()].find(isSame);
    if (known) {
      if (this.#studio.current) this.#studio.change({ style: known.key });
      else this.#studio.begin(known.key);
      return this.#styleList.reveal(known.key);
    }
    this.#studio.say(text("measuring", { name: file.name }));
    const key = this.#freeName(file.name.replace(/\.[^.]+$/, "") || file.name);
    const pixels = await this.#pictures.call("painting", [file, this.#size]);
    const icon = await this.#pictures.call("bitmap", [pixels]);
    const style = { ...this.#makeStyle({ name: key, pixels, file }), painting: file, icon };
    if (await this.#studio.addStyle(style)) this.#styleList.reveal(key);
  }

  /** A name that no style has yet: two paintings may have the name of one style. */
  #freeName(name) {
    if (!this.#styles.has(name)) return name;
    for (let number = 2; ; number++) if (!this.#styles.has(`${name} (${number})`)) return `${name} (${number})`;
  }

  get #picked() {
    return this.#styles.get(this.#studio.controls.style);
  }

  async #keep() {
    const { key, model } = this.#picked;
    try {
      save(new Blob([await model()]), `${key}.onnx`);
      this.#studio.say(text("saved", { name: `${key}.onnx` }));
    } catch (error) {
      this.#studio.complain(error, { name: key });
    }
  }
}

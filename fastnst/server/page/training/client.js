// The server's trainings, by its API.

export class Trainings {
  #address;

  /** @param {string} address of the API's trainings */
  constructor(address) {
    this.#address = address;
  }

  /** What is missing, the qualities, and all trainings without their curves. */
  async overview() {
    return (await this.#ask("GET", "")).json();
  }

  async get(name) {
    return (await this.#ask("GET", encodeURIComponent(name))).json();
  }

  /** @param {Blob} painting */
  async start(painting, name, quality) {
    const query = new URLSearchParams({ name, quality });
    return (await this.#ask("POST", `?${query}`, painting)).json();
  }

  async cancel(name) {
    return (await this.#ask("POST", `${encodeURIComponent(name)}/cancel`)).json();
  }

  async resume(name) {
    return (await this.#ask("POST", `${encodeURIComponent(name)}/resume`)).json();
  }

  async delete(name) {
    await this.#ask("DELETE", encodeURIComponent(name));
  }

  /** The picture that the training renews. */
  async preview(name) {
    return createImageBitmap(await (await this.#ask("GET", `${encodeURIComponent(name)}/preview`)).blob());
  }

  paintingAddress(name) {
    return `${this.#address}/${encodeURIComponent(name)}/painting`;
  }

  async #ask(method, path, body) {
    const separator = path && !path.startsWith("?") ? "/" : "";
    const response = await fetch(`${this.#address}${separator}${path}`, { method, body });
    if (response.ok) return response;
    let reason = `the server answers ${response.status}`;
    try {
      reason = (await response.json()).error;
    } catch {} // no JSON, such as a proxy's page
    throw new Error(reason);
  }
}

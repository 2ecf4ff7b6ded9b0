// Tries the API: its fields come from openapi.json.

const $ = (selector) => document.querySelector(selector);
const STYLIZE = "/api/v1/stylize";

const [api, styles] = await Promise.all(["openapi.json", "api/v1/styles"].map(async (path) => (await fetch(path)).json()));
const { properties, required } = api.paths[STYLIZE].post.requestBody.content["multipart/form-data"].schema;

for (const [name, schema] of Object.entries(properties)) $("#fields").append(field(name, schema));
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, { summary }] of Object.entries(methods)) {
    const item = document.createElement("li");
    const code = Object.assign(document.createElement("code"), { textContent: `${method.toUpperCase()} ${path}` });
    item.append(code, ` ${summary}`);
    $("#paths").append(item);
  }
}
showCommand();
$("#try").addEventListener("input", showCommand);
$("#try").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("#told").textContent = "Painting …";
  const start = performance.now();
  try {
    const body = new FormData();
    for (const { name, value } of given()) body.append(name, value);
    const response = await fetch(STYLIZE.slice(1), { method: "POST", body });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    if (!response.ok) {
      $("#told").textContent = `${response.status}: ${(await response.json()).error}`;
      return;
    }
    const blob = await response.blob();
    URL.revokeObjectURL($("#painted").src);
    Object.assign($("#painted"), { src: URL.createObjectURL(blob), hidden: false });
    $("#told").textContent = `${blob.type}, ${blob.size.toLocaleString("en")} bytes, ${seconds} s`;
  } catch (error) {
    $("#told").textContent = `The server does not answer: ${error.message}`;
  }
});

function field(name, schema) {
  const { type, format, enum: choices, minimum, maximum, default: usual } = schema.items ?? schema;
  const row = Object.assign(document.createElement("label"), { className: "field" });
  let input;
  if (choices || type === "boolean" || name === "style") {
    input = document.createElement("select");
    const values = name === "style" ? styles.map((style) => style.name) : ["", ...(choices ?? ["true", "false"])];
    input.append(...values.map((value) => new Option(value)));
  } else {
    input = document.createElement("input");
    if (format === "binary") Object.assign(input, { type: "file", accept: "image/*" });
    else if (type !== "string") {
      Object.assign(input, { type: "number", min: minimum ?? "", max: maximum ?? "", placeholder: usual ?? "" });
      input.step = type === "integer" ? 1 : "any";
    }
  }
  input.name = name;
  input.required = required.includes(name);
  row.append(name, input, Object.assign(document.createElement("small"), { textContent: schema.description }));
  return row;
}

/** What the visitor filled in. */
function given() {
  const found = [];
  for (const input of $("#try").elements) {
    if (!input.name) continue;
    const value = input.type === "file" ? input.files[0] : input.value;
    if (value) found.push({ name: input.name, value });
  }
  return found;
}

function showCommand() {
  const words = given().map(({ name, value }) => `-F ${quoted(value instanceof File ? `${name}=@${value.name}` : `${name}=${value}`)}`);
  const address = new URL(STYLIZE.slice(1), document.baseURI).href;
  $("#command").textContent = ["curl -o painted", ...words, quoted(address)].join(" ");
}

function quoted(word) {
  return /^[\w@=./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

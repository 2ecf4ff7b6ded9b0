// Runs a browser for the tests in Python: one line of JSON in, one out.
// In: {"code": the body of an async function of (page, browser, value), "value": ...}. Out: {"value"} or {"error"}.
// What the page requests, logs, and fails with is in page.requests, page.messages and page.failures.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { modules, executable, args } = JSON.parse(process.argv[2]);
const { default: puppeteer } = await import(createRequire(`${modules}/`).resolve("puppeteer-core"));
const browser = await puppeteer.launch({ executablePath: executable, headless: true, args, protocolTimeout: 900000 });

async function newPage() {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  Object.assign(page, { requests: [], messages: [], failures: [] });
  page.on("request", (request) => page.requests.push({ url: request.url(), method: request.method() }));
  page.on("console", (message) => page.messages.push(message.text()));
  page.on("pageerror", (error) => page.failures.push(String(error)));
  return page;
}

let page = await newPage();
const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { code, value, fresh } = JSON.parse(line);
    if (fresh) {
      await page.browserContext().close();
      page = await newPage();
    }
    answer = { value: (await new AsyncFunction("page", "browser", "value", code)(page, browser, value)) ?? null };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

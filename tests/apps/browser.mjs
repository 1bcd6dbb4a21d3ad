// Headless Chromium over its DevTools protocol: one page and the frames in it.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Frames stay in the page's process, so one session sees them all; they keep their opaque origin and their sandbox.
const FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0",
  "--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions", "--mute-audio",
  "--disable-features=IsolateSandboxedIframes,Translate", "--force-color-profile=srgb"];

export async function open(path) {
  const folder = await mkdtemp(join(tmpdir(), "beam-mcp-chromium-"));
  const child = spawn(path, [...FLAGS, `--user-data-dir=${folder}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const address = await devtools(child);
  const pages = await (await fetch(`http://${new URL(address).host}/json/list`)).json();
  const socket = new WebSocket(pages.find(({ type }) => type === "page").webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no connection to the browser"));
  });
  const page = session(socket);
  await Promise.all(["Page", "Runtime", "Network", "Log"].map((domain) => page.send(`${domain}.enable`)));
  const close = async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await gone;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { ...page, close };
}

/** The address of a browser's own door. */
function devtools(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const found = /DevTools listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the browser ended with ${code}: ${said}`)));
  });
}

function session(socket) {
  const asked = new Map();
  const contexts = new Map();
  const requests = [];
  const troubles = [];
  let last = 0;
  socket.onmessage = ({ data }) => {
    const { id, method, params, result, error } = JSON.parse(data);
    if (id) return error ? asked.get(id).reject(new Error(error.message)) : asked.get(id).resolve(result);
    if (method === "Runtime.executionContextCreated") contexts.set(params.context.id, params.context);
    if (method === "Runtime.executionContextDestroyed") contexts.delete(params.executionContextId);
    if (method === "Network.requestWillBeSent") requests.push({ url: params.request.url, frame: params.frameId });
    if (method === "Runtime.exceptionThrown") troubles.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") troubles.push(params.entry.text);
    return undefined;
  };
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      asked.set(++last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });

  async function evaluate(expression, contextId) {
    const params = { expression, awaitPromise: true, returnByValue: true, ...(contextId && { contextId }) };
    const { result, exceptionDetails } = await send("Runtime.evaluate", params);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Evaluates in the newest frame within the page. */
  async function inFrame(expression) {
    const { frameTree } = await send("Page.getFrameTree");
    const frame = frameTree.childFrames?.at(-1)?.frame.id;
    const context = [...contexts.values()].findLast(({ auxData }) => auxData.frameId === frame && auxData.isDefault);
    if (!context) throw new Error("there is no frame yet");
    return evaluate(expression, context.id);
  }

  /** Waits until an expression within the frame is true. */
  async function until(expression, seconds = 30) {
    const end = Date.now() + seconds * 1000;
    let seen;
    for (;;) {
      seen = await inFrame(expression).catch((error) => error.message);
      if (seen === true) return;
      if (Date.now() > end) {
        const text = await inFrame("document.body.innerText").catch(String);
        throw new Error(`not within ${seconds} s: ${expression}\n${seen}\n${text}\n${troubles.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function visit(url, width = 808, height = 900) {
    await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 2, mobile: false });
    const loaded = new Promise((resolve) => socket.addEventListener("message", function hear({ data }) {
      if (JSON.parse(data).method !== "Page.loadEventFired") return;
      socket.removeEventListener("message", hear);
      resolve();
    }));
    await send("Page.navigate", { url });
    await loaded;
  }

  /** The whole page, once what was drawn last has its place. */
  async function picture() {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const [width, height] = await evaluate("[innerWidth, document.body.getBoundingClientRect().height]");
    const clip = { x: 0, y: 0, width, height, scale: 1 };
    const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true, clip });
    return Buffer.from(data, "base64");
  }

  return { send, evaluate, inFrame, until, visit, picture, requests, troubles };
}

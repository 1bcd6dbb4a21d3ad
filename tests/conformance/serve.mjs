// `serve.mjs PACKAGE READY_FILE`: the engine of a package, as wasm/build.sh makes one, on a free loopback port, which it
// writes to that file. The suite's surface is in the place of the engine there; all of its JavaScript is the product's.

import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";

const [folder, ready] = process.argv.slice(2);
const { BeamMcpEngine } = await import(pathToFileURL(`${folder}/engine.js`));

/** A request of Node's in the form of `fetch`; it is aborted when its connection closes before the answer is out. */
function request(incoming, signal) {
  const { method, url, headersDistinct } = incoming;
  const headers = Object.entries(headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value]));
  const body = method === "GET" || method === "HEAD" ? null : Readable.toWeb(incoming);
  return new Request(new URL(url, `http://127.0.0.1:${port}`), { method, headers, body, duplex: "half", signal });
}

async function answer(incoming, outgoing) {
  const leaving = new AbortController();
  outgoing.once("close", () => leaving.abort());
  const { status, headers, body } = await engine.handle(request(incoming, leaving.signal));
  outgoing.writeHead(status, [...headers].flat());
  outgoing.flushHeaders();
  await (body ? pipeline(Readable.fromWeb(body), outgoing) : finished(outgoing.end()));
}

const server = createServer((incoming, outgoing) =>
  answer(incoming, outgoing).catch((error) => {
    if (!outgoing.destroyed) console.error(error);
    outgoing.destroy();
  }),
);
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address();
const allowed_origins = ["localhost", "127.0.0.1"].map((name) => `http://${name}:${port}`);
const config = { targets: { unused: { runner: "simulator" } }, auth: { allowed_origins } };
const engine = await BeamMcpEngine.create(config, { trusted: true });
await writeFile(`${ready}.new`, `${port}\n`);
await rename(`${ready}.new`, ready);

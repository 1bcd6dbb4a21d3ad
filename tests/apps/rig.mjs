// A real server with scripted clusters, and a small web server that shows the host's page and passes /mcp on.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Readable } from "node:stream";

import { realServer } from "../js/real_server.mjs";

export async function start(program, bundle) {
  const targets = { sim: { runner: "simulator", speed: 20 }, slow: { runner: "simulator" } };
  const { url: beam, stop: end } = await realServer(targets, program);
  const web = createServer((request, response) => void answer(request, response, beam, bundle));
  await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    web.closeAllConnections();
    web.close();
    await end();
  };
  return { url: `http://127.0.0.1:${web.address().port}/`, beam, stop };
}

async function answer(request, response, beam, bundle) {
  const path = new URL(request.url, beam).pathname;
  if (path === "/mcp") return pass(request, response, beam);
  const files = { "/": [new URL("host.html", import.meta.url), "text/html"], "/host.js": [bundle, "text/javascript"] };
  const found = files[path];
  response.writeHead(found ? 200 : 404, { "content-type": found?.[1] ?? "text/plain" });
  response.end(found ? await readFile(found[0]) : "");
  return undefined;
}

const OWN = new Set(["host", "origin", "connection", "content-length", "transfer-encoding", "accept-encoding"]);

async function pass(request, response, beam) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !OWN.has(name)));
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const told = await fetch(`${beam}/mcp`, { method: request.method, headers, body });
  response.writeHead(told.status, Object.fromEntries([...told.headers].filter(([name]) => !OWN.has(name))));
  if (told.body) Readable.fromWeb(told.body).on("error", () => response.end()).pipe(response);
  else response.end();
}

// A real server with scripted clusters, and a small web server that shows the host's page and passes /mcp on.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";

export async function start(program, bundle) {
  const folder = await mkdtemp(join(tmpdir(), "beam-mcp-apps-"));
  const config = {
    targets: { sim: { runner: "simulator", speed: 20 }, slow: { runner: "simulator" } },
    store: { path: join(folder, "store") },
    roots: [folder],
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const server = spawn(program, ["serve", "--port", "0", "--config", join(folder, "config.json")], { stdio: ["ignore", "pipe", "pipe"] });
  const beam = await address(server);
  const web = createServer((request, response) => void answer(request, response, beam, bundle));
  await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    web.closeAllConnections();
    web.close();
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await gone;
    await rm(folder, { recursive: true });
  };
  return { url: `http://127.0.0.1:${web.address().port}/`, beam, stop };
}

/** The address the server says it listens on. */
function address(server) {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (chunk) => {
      said += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
      if (found) resolve(found[0]);
    };
    server.stdout.on("data", hear);
    server.stderr.on("data", hear);
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
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

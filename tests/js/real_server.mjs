// A server of its own for one file of tests: by default the binary in BEAM_MCP_SERVER, with a scripted cluster.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIMULATOR = { sim: { runner: "simulator", speed: 50, description: "a scripted cluster" } };

/** Starts it; gives its address and the way to end it. */
export async function realServer(targets = SIMULATOR, program = process.env.BEAM_MCP_SERVER) {
  const folder = await mkdtemp(join(tmpdir(), "beam-mcp-js-"));
  const config = {
    targets,
    store: { path: join(folder, "store") },
    roots: [folder],
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const argv = ["serve", "--port", "0", "--config", join(folder, "config.json")];
  const server = spawn(program, argv, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = async () => {
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await gone;
    await rm(folder, { recursive: true });
  };
  return { url: await address(server), stop };
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

// The TypeScript SDKs: `typescript.mjs MODE KIND TARGET…`. MODE is `1.x`, or for the second one legacy, auto or a
// revision to pin.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [mode, kind, ...target] = process.argv.slice(2);
const info = { name: "matrix", version: "1" };

async function load(folder, ...names) {
  const require = createRequire(`${folder}/`);
  const all = await Promise.all(names.map((name) => import(pathToFileURL(require.resolve(name)).href)));
  return Object.assign({}, ...all);
}

async function first() {
  const paths = ["index", "streamableHttp", "sse", "stdio"].map((name) => `@modelcontextprotocol/sdk/client/${name}.js`);
  const sdk = await load(process.env.MCP_TYPESCRIPT_1, ...paths);
  return [sdk, new sdk.Client(info)];
}

async function second() {
  const sdk = await load(process.env.MCP_TYPESCRIPT, "@modelcontextprotocol/client", "@modelcontextprotocol/client/stdio");
  const negotiation = { legacy: "legacy", auto: "auto" }[mode] ?? { pin: mode };
  return [sdk, new sdk.Client(info, { versionNegotiation: { mode: negotiation } })];
}

const [sdk, client] = await (mode === "1.x" ? first() : second());
const transports = {
  http: () => new sdk.StreamableHTTPClientTransport(new URL(target[0])),
  sse: () => new sdk.SSEClientTransport(new URL(target[0])),
  stdio: () => new sdk.StdioClientTransport({ command: target[0], args: target.slice(1), stderr: "ignore" }),
};
await client.connect(transports[kind]());

async function call(name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, JSON.stringify(result));
  return result.structuredContent ?? JSON.parse(result.content[0].text);
}

const { tools } = await client.listTools();
assert.ok(tools.some((tool) => tool.name === "create_job"));
let job = await call("create_job", { target: "simulator", options: { simulator_script: "batch" } });
while (!job.terminal) {
  job = await call("wait_for_change", { job_id: job.job_id, until_terminal: true, timeout_seconds: 20 });
}
assert.equal(job.state, "FINISHED", JSON.stringify(job));
assert.ok((await call("get_logs", { job_id: job.job_id })).logs.length > 0);
const { resources } = await client.listResources();
assert.ok(resources.some((resource) => resource.uri === "beam://guide"));
await client.transport?.terminateSession?.();
await client.close();

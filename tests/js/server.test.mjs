// The client against the real server (BEAM_MCP_SERVER): no fake between.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { BeamMcpClient } from "../../wasm/pkg/client.js";
import { realServer } from "./real_server.mjs";
import { codeOf } from "./support.mjs";

let server, url;

before(async () => {
  server = await realServer();
  url = server.url;
});
after(() => server.stop());

const STREAMING = { target: "sim", job_name: "words", job_type: "STREAMING", code_path: "words.jar" };

test("a job's life", async () => {
  const client = new BeamMcpClient(url);
  const { job_id } = await client.createJob({ ...STREAMING, pipeline_options: { parallelism: 2 } });
  const job = await client.getJob({ job_id });
  assert.deepEqual([job.job_name, job.target, job.terminal], ["words", "sim", false]);
  let state;
  for (let cursor; state !== "RUNNING"; ) ({ state, cursor } = await client.waitForChange({ job_id, cursor }));
  const { savepoint_path } = await client.createSavepoint({ job_id });
  assert.ok(savepoint_path);
  const { operation } = await client.scaleJob({ job_id, parallelism: 4 });
  assert.equal((await client.getOperation({ job_id, operation_id: operation.operation_id })).state, "SUCCEEDED");
  assert.ok((await client.listOperations({ job_id })).operations.length >= 2);
  assert.ok((await client.listSavepoints({ job_id })).savepoints.length >= 1);
  assert.equal((await client.getMetrics({ job_id })).job_id, job_id);
  assert.ok(Array.isArray((await client.getLogs({ job_id })).logs));
  assert.deepEqual((await client.getJobConfiguration({ job_id })).pipeline_options, { parallelism: 2 });
  const ended = await client.cancelJob({ job_id, mode: "stop" });
  assert.ok(ended.savepoint_path);
  assert.equal((await client.getJobStatus({ job_id })).state, "CANCELED");
  const again = await client.restoreJob({ job_id });
  assert.notEqual(again.job_id, job_id);
  const { jobs } = await client.listJobs({ all: true, name_contains: "words", job_type: "STREAMING" });
  assert.ok(jobs.length >= 2);
});

test("what the server is", async () => {
  const client = new BeamMcpClient(url);
  assert.ok((await client.getManifest()).version);
  assert.equal((await client.getHealth()).status, "healthy");
  assert.match((await client.getOpenapi()).openapi, /^3\./);
  assert.deepEqual((await client.listTargets()).targets.map(({ name }) => name), ["sim"]);
  assert.deepEqual((await client.listRunners()).runners.map(({ name }) => name), ["sim"]);
  assert.equal((await client.getRunner({ runner_type: "simulator" })).name, "sim");
});

test("a run profile's life", async () => {
  const client = new BeamMcpClient(url);
  const made = await client.createContext({ name: "From JS", context_type: "simulator", parameters: { zone: "a" } });
  assert.deepEqual([made.context_id, made.mcp_generation], ["from-js", 1]);
  const { plan } = await client.createJob({ target: "sim", context_id: "from-js", dry_run: true });
  assert.deepEqual(plan.options.find(({ name }) => name === "zone").from, "context");
  const changed = await client.updateContext({ context_id: "from-js", parameters: { zone: "b" }, mcp_generation: 1 });
  assert.deepEqual((await client.getContext({ context_id: "from-js" })).parameters, changed.parameters);
  assert.deepEqual((await client.listContexts()).contexts.map(({ context_id }) => context_id), ["from-js"]);
  assert.equal((await client.deleteContext({ context_id: "from-js", mcp_generation: 2 })).deleted, "from-js");
  assert.equal(await codeOf(client.getContext({ context_id: "from-js" })), "not_found");
});

test("an upload is kept under its hash", async () => {
  const client = new BeamMcpClient(url);
  const { artifact, sha256, size_bytes } = await client.uploadArtifact({ source: new Blob(["hello"]), file_name: "a.txt" });
  assert.deepEqual([artifact, size_bytes], [`artifact:sha256:${sha256}`, 5]);
  assert.equal(sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
});

test("what goes wrong has its code", async () => {
  const client = new BeamMcpClient(url);
  assert.equal(await codeOf(client.getJob({ job_id: `sim:${"0".repeat(32)}` })), "not_found");
  assert.equal(await codeOf(client.createJob({ target: "nowhere", code_path: "a" })), "not_found");
  assert.equal(await codeOf(client.scaleJob({ job_id: `sim:${"0".repeat(32)}`, parallelism: 0 })), "invalid_argument");
  const key = { idempotency_key: `key ${Date.now()}` };
  await client.createJob({ ...STREAMING, ...key });
  assert.equal(await codeOf(client.createJob({ ...STREAMING, ...key, job_name: "other" })), "idempotency_key_reused");
});

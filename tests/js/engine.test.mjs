// The engine in WebAssembly: scripted clusters, a memory store, requests without a socket.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BeamMcpEngine, MemoryStore } from "../../wasm/pkg/engine.js";
import { serving } from "./fake_server.mjs";
import { codeOf, vector, vectors } from "./support.mjs";

const SIMULATOR = { targets: { sim: { runner: "simulator", speed: 1000 } } };
const STREAMING = { target: "sim", job_name: "words", job_type: "STREAMING", code_path: "words.jar" };
const simulator = (options) => BeamMcpEngine.create(SIMULATOR, options);

test("a job is made, seen, listed and cancelled", async () => {
  const engine = await simulator();
  const made = await engine.run("create_job", STREAMING);
  assert.match(made.job_id, /^sim:[0-9a-f]{32}$/);
  const seen = await engine.run("get_job", { job_id: made.job_id });
  assert.deepEqual([seen.state, seen.terminal, seen.job_name], ["RUNNING", false, "words"]);
  const { jobs } = await engine.run("list_jobs", {});
  assert.deepEqual(jobs.map(({ job_id }) => job_id), [made.job_id]);
  const ended = await engine.run("cancel_job", { job_id: made.job_id, mode: "cancel" });
  assert.equal(ended.state, "CANCELED");
  assert.equal(await codeOf(engine.run("get_job", { job_id: `sim:${"0".repeat(32)}` })), "not_found");
});

test("answers fit the schemas of their verbs", async () => {
  const engine = await simulator();
  const schemas = new Map(vectors("verbs").map((file) => [vector(file).name, vector(file).outputSchema]));
  const run = async (verb, input) => {
    const output = await engine.run(verb, input);
    const { required = [], properties } = schemas.get(verb);
    for (const name of required) assert.ok(name in output, `${verb} leaves out ${name}`);
    for (const [name, value] of Object.entries(output)) {
      const type = properties[name]?.type;
      const is = Array.isArray(value) ? "array" : typeof value;
      assert.equal(is, type === "integer" ? "number" : type, `${verb}.${name}: ${JSON.stringify(value)}`);
    }
    return output;
  };
  const { job_id } = await run("create_job", { ...STREAMING, pipeline_options: { parallelism: 2 } });
  await run("list_runners", {});
  await run("list_jobs", {});
  await run("get_job", { job_id });
  await run("get_metrics", { job_id });
  await run("get_logs", { job_id });
  await run("wait_for_change", { job_id });
  const { operation } = await run("scale_job", { job_id, parallelism: 3 });
  await run("get_operation", { operation_id: operation.operation_id });
  await run("create_savepoint", { job_id });
  await run("cancel_job", { job_id, mode: "stop" });
  await run("create_job", { ...STREAMING, dry_run: true });
});

test("a batch job ends by itself, and a waiter is told", async () => {
  const engine = await simulator();
  const { job_id } = await engine.run("create_job", { ...STREAMING, job_type: "BATCH", options: { simulator_script: "batch" } })
    .catch(() => engine.run("create_job", { ...STREAMING, job_type: "BATCH" }));
  assert.ok(job_id);
  const ended = await engine.run("wait_for_change", { job_id, until_terminal: true, timeout_seconds: 20 });
  assert.equal(ended.terminal, true, ended.state);
});

test("an idempotency key makes one job of two calls", async () => {
  const engine = await simulator();
  const input = { ...STREAMING, idempotency_key: "once" };
  const [first, second] = [await engine.run("create_job", input), await engine.run("create_job", input)];
  assert.deepEqual([second.job_id, second.replayed], [first.job_id, true]);
  assert.equal((await engine.run("list_jobs", {})).jobs.length, 1);
});

test("a store of the host's own keeps jobs for the next engine", async () => {
  const store = new MemoryStore();
  const { job_id } = await (await simulator({ store })).run("create_job", STREAMING);
  const next = await simulator({ store });
  assert.equal((await next.run("get_job", { job_id })).job_name, "words");
});

test("a store that breaks is an error, not a loss", async () => {
  const store = { durable: true, perform: async () => { throw new Error("disk"); } };
  await assert.rejects((await simulator({ store })).run("list_jobs", {}), (error) => {
    assert.deepEqual([error.code, error.reason, error.retryable], ["unavailable", "store", true]);
    assert.match(error.details.detail, /disk/);
    return true;
  });
});

test("roles hold", async () => {
  const viewer = await simulator({ role: "viewer" });
  assert.equal(await codeOf(viewer.run("create_job", STREAMING)), "permission_denied");
  assert.deepEqual((await viewer.run("list_jobs", {})).jobs, []);
});

test("a configuration that cannot be is refused with what is wrong", async () => {
  await assert.rejects(BeamMcpEngine.create({ tragets: {} }), (error) => {
    assert.equal(error.code, "invalid_argument");
    assert.match(error.message + error.suggestion, /targets/);
    return true;
  });
});

test("ticks look at what is due and say when to come again", async () => {
  const engine = await simulator();
  await engine.run("create_job", STREAMING);
  const again = await engine.tick();
  assert.ok(Number.isInteger(again) && again > 0 && again <= 3_600_000, String(again));
  const abort = new AbortController();
  const reconciling = engine.reconcile(abort.signal);
  await engine.run("create_job", { ...STREAMING, job_name: "another" });
  setTimeout(() => abort.abort(), 50);
  await reconciling;
});

const request = (path, init) => new Request(`http://engine.example${path}`, init);
const json = (body, headers = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

test("REST: routes, envelopes, statuses, bodies", async () => {
  const engine = await simulator({ trusted: true });
  const made = await engine.handle(request("/api/v1/jobs", json(STREAMING)));
  assert.equal(made.status, 201);
  const { success, data } = await made.json();
  assert.ok(success && data.job_id);
  const found = await engine.handle(request(`/api/v1/jobs/${encodeURIComponent(data.job_id)}`));
  assert.deepEqual([found.status, (await found.json()).data.state], [200, "RUNNING"]);
  assert.equal(found.headers.get("content-type"), "application/json");
  assert.match(found.headers.get("x-request-id"), /^[0-9a-f]{32}$/);
  const head = await engine.handle(request("/api/v1/jobs", { method: "HEAD" }));
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  const missing = await engine.handle(request("/api/v1/nothing"));
  assert.deepEqual([missing.status, (await missing.json()).error.code], [404, "not_found"]);
  const listed = await engine.handle(request("/api/v1/jobs?state=FAILED"));
  assert.deepEqual((await listed.json()).data.jobs, []);
});

test("a body over its limit, and a file no engine here can keep", async () => {
  const engine = await simulator({ trusted: true });
  const large = await engine.handle(request("/api/v1/jobs", json({ job_name: "x".repeat(2 << 20) })));
  assert.deepEqual([large.status, (await large.json()).error.code], [413, "payload_too_large"]);
  const upload = await engine.handle(request("/api/v1/artifacts", { method: "POST", body: "bytes" }));
  assert.deepEqual([upload.status, (await upload.json()).error.details.reason], [422, "no_uploads"]);
});

test("whoever is not trusted needs a token", async () => {
  const sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
  const tokens = [{ name: "ci", sha256, role: "viewer" }];
  const engine = await BeamMcpEngine.create({ ...SIMULATOR, auth: { tokens } });
  assert.equal((await engine.handle(request("/api/v1/jobs"))).status, 401);
  const headers = { authorization: "Bearer secret" };
  assert.equal((await engine.handle(request("/api/v1/jobs", { headers }))).status, 200);
  assert.equal((await engine.handle(request("/api/v1/jobs", json(STREAMING, headers)))).status, 403);
  const open = await simulator();
  assert.equal((await open.handle(request("/api/v1/jobs"))).status, 401, "not open by accident");
});

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };

test("MCP: tools are listed and called", async () => {
  const engine = await simulator({ trusted: true });
  const mcp = async (method, params) => {
    const headers = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28", "mcp-method": method };
    if (params.name) headers["mcp-name"] = params.name;
    const body = { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } };
    const response = await engine.handle(request("/mcp", json(body, headers)));
    return (await response.json()).result;
  };
  const { tools } = await mcp("tools/list", {});
  assert.deepEqual(tools.map(({ name }) => name).sort(), vectors("tools").map((file) => vector(file).name));
  const called = await mcp("tools/call", { name: "create_job", arguments: STREAMING });
  assert.match(called.structuredContent.job_id, /^sim:/);
});

test("a page of another origin may read a stream, and a refusal", async () => {
  const page = "https://app.example";
  const engine = await BeamMcpEngine.create({ ...SIMULATOR, auth: { allowed_origins: [page] } }, { trusted: true });
  const method = "subscriptions/listen";
  const headers = { origin: page, accept: "application/json, text/event-stream", "mcp-method": method };
  const params = { notifications: { toolsListChanged: true }, _meta: META };
  const abort = new AbortController();
  const listen = { ...json({ jsonrpc: "2.0", id: 1, method, params }, { ...headers, "mcp-protocol-version": "2026-07-28" }), signal: abort.signal };
  const stream = await engine.handle(request("/mcp", listen));
  const told = ["content-type", "access-control-allow-origin", "x-accel-buffering"].map((name) => stream.headers.get(name));
  assert.deepEqual(told, ["text/event-stream", page, "no"]);
  abort.abort();
  const large = await engine.handle(request("/api/v1/jobs", json({ job_name: "x".repeat(2 << 20) }, { origin: page })));
  assert.deepEqual([large.status, large.headers.get("access-control-allow-origin")], [413, page]);
  const foreign = await engine.handle(request("/api/v1/jobs", { headers: { origin: "https://evil.example" } }));
  assert.deepEqual([foreign.status, foreign.headers.get("access-control-allow-origin")], [403, null]);
});

test("MCP by lines", async () => {
  const engine = await simulator();
  const line = JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/list", params: { _meta: META } });
  const { id, result } = JSON.parse(await engine.line(line));
  assert.deepEqual([id, result.tools.length], [7, vectors("tools").length]);
  assert.equal(await engine.line('{"jsonrpc":"2.0","method":"notifications/initialized"}'), "");
});

test("a request that goes away is cancelled", async () => {
  const engine = await simulator({ trusted: true });
  const { job_id } = await engine.run("create_job", STREAMING);
  const { cursor } = await engine.run("wait_for_change", { job_id });
  const abort = new AbortController();
  const path = `/api/v1/jobs/${encodeURIComponent(job_id)}/wait?cursor=${cursor}&timeout_seconds=20`;
  const waiting = engine.handle(request(path, { signal: abort.signal }));
  setTimeout(() => abort.abort(), 50);
  assert.equal((await waiting).status, 499);
});

test("a runner is called by fetch, with the target's secret", async () => {
  const overview = { "flink-version": "1.20.5", "flink-commit": "x", taskmanagers: 1, "slots-total": 4 };
  const script = (asked, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(asked.url.startsWith("/jobs") ? { jobs: [] } : overview));
  };
  await serving(script, async (url, requests) => {
    const credential = { prefix: "Bearer ", secret: "env:FLINK_TOKEN" };
    const secrets = (reference) => `secret of ${reference}`;
    const engine = await BeamMcpEngine.create({ targets: { flink: { runner: "flink", url, credential } } }, { secrets });
    const { runners } = await engine.run("list_runners", {});
    assert.equal(runners[0].name, "flink");
    assert.ok(requests.length > 0);
    for (const { headers } of requests) assert.equal(headers.authorization, "Bearer secret of env:FLINK_TOKEN");
    const blind = await BeamMcpEngine.create({ targets: { flink: { runner: "flink", url, credential } } });
    const [{ error }] = (await blind.run("list_runners", {})).runners;
    assert.equal(error.details.reason, "credential");
  });
});

test("what needs files is unsupported here, and says so", async () => {
  const engine = await BeamMcpEngine.create({ targets: { direct: { runner: "direct" } } });
  const code = await codeOf(engine.run("create_job", { target: "direct", code_path: "a.py" }));
  assert.equal(code, "unsupported");
});

test("a closed engine answers no more", async () => {
  const engine = await simulator();
  engine.close();
  assert.equal(await codeOf(engine.run("list_jobs", {})), "misuse");
});

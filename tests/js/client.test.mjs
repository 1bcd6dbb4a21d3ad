// The client's class against a server on loopback that answers from a script.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { BeamMcpClient, BeamMcpError, load } from "../../wasm/pkg/client.js";
import * as wasm from "../../wasm/pkg/wasm/client.js";
import { answering, envelope, refusal, serving } from "./fake_server.mjs";
import { JOB_ID, codeOf, vector, vectors } from "./support.mjs";

before(() => load());

const camel = (verb) => verb.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const job = { job_id: JOB_ID, state: "RUNNING", terminal: false };

test("every verb is a method, and every method a verb", () => {
  const methods = Object.getOwnPropertyNames(BeamMcpClient.prototype);
  const own = methods.filter((name) => !["constructor", "call"].includes(name));
  assert.deepEqual(own.sort(), wasm.verbs().map(camel).sort());
});

test("every method calls the verb of its name", async () => {
  const everything = { context_id: "profile", job_id: JOB_ID, operation_id: `scale-${"0".repeat(32)}`, runner_type: "flink" };
  const paths = new Map();
  await serving(answering({ jobs: [] }), async (url, requests) => {
    const client = new BeamMcpClient(url);
    for (const verb of wasm.verbs()) {
      const input = verb === "upload_artifact" ? { source: new Uint8Array(3) } : everything;
      const needed = verb === "upload_artifact" ? input : within(verb, input);
      await client[camel(verb)](needed);
      const { method, url: path } = requests.at(-1);
      paths.set(`${method} ${path}`, verb);
    }
  });
  assert.equal(paths.size, wasm.verbs().length, [...paths.keys()].join("\n"));
  assert.equal(paths.get(`GET /api/v1/jobs/${encodeURIComponent(JOB_ID)}`), "get_job");
});

/** Those members of an input that the path of a verb needs: the core refuses others in a read. */
function within(verb, input) {
  const others = { get_runner: ["runner_type"], get_operation: ["job_id", "operation_id"] };
  const names = others[verb] ?? (verb.endsWith("_context") ? ["context_id"] : ["job_id"]);
  const isFree = /^(get_manifest|get_health|get_openapi|list_runners|list_targets|list_jobs|list_contexts)$/.test(verb);
  return isFree ? {} : Object.fromEntries(names.map((name) => [name, input[name]]));
}

test("a read takes every member its schema has", async () => {
  const sample = { integer: 1, number: 1, boolean: true, string: `${JOB_ID}/scale-${"0".repeat(32)}` };
  await serving(answering(job), async (url) => {
    const client = new BeamMcpClient(url);
    const reads = vectors("tools").map(vector).filter(({ annotations }) => annotations.readOnlyHint).map(({ name }) => name);
    // What MCP adds to its tools, for models, is not in the schemas of the verbs.
    for (const { name, inputSchema } of vectors("verbs").map(vector).filter(({ name }) => reads.includes(name))) {
      const members = Object.entries(inputSchema.properties);
      const input = Object.fromEntries(members.map(([name, { type, enum: words }]) => [name, words?.[0] ?? sample[type]]));
      await client.call(name, input);
    }
  });
});

test("a read, with labels and a token", async () => {
  await serving(answering(job), async (url, requests) => {
    const client = new BeamMcpClient(`${url}/base/`, { token: "secret" });
    const labels = { sessionId: "s", userId: "u" };
    assert.deepEqual(await client.getJob({ job_id: JOB_ID }, { labels }), job);
    const [{ method, url: path, headers }] = requests;
    assert.deepEqual([method, path], ["GET", `/base/api/v1/jobs/${encodeURIComponent(JOB_ID)}`]);
    assert.equal(headers.authorization, "Bearer secret");
    assert.deepEqual([headers["mcp-session-id"], headers["mcp-user-id"]], ["s", "u"]);
  });
});

test("a write has a key, the same at its repetition, and another the next time", async () => {
  const refuse = { ...refusal("unavailable"), retryable: true, retry_after_ms: 1 };
  let count = 0;
  const script = (request, response) => answering({ job_id: JOB_ID }, count++ === 0 ? refuse : undefined, count === 1 ? 503 : 201)(request, response);
  await serving(script, async (url, requests) => {
    const client = new BeamMcpClient(url, { apiKey: () => "k" });
    const input = { target: "flink", code_path: "a.jar", pipeline_options: { parallelism: 2 } };
    assert.equal((await client.createJob(input)).job_id, JOB_ID);
    await client.createJob(input);
    await client.createJob({ ...input, idempotency_key: "mine" });
    const keys = requests.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(keys[0], keys[1]);
    assert.notEqual(keys[1], keys[2]);
    assert.equal(keys[3], "mine");
    assert.deepEqual(JSON.parse(requests[0].bytes), input);
    assert.equal(requests[0].headers["x-api-key"], "k");
  });
});

test("an error of the server is told whole", async () => {
  const details = { reason: "unknown_job", suggestion: "list_jobs", job_id: JOB_ID };
  await serving(answering({}, refusal("not_found", { details }), 404), async (url) => {
    await assert.rejects(new BeamMcpClient(url).getJob({ job_id: JOB_ID }), (error) => {
      assert.ok(error instanceof BeamMcpError && error instanceof Error);
      assert.deepEqual([error.name, error.code, error.http], ["NotFound", "not_found", 404]);
      assert.deepEqual([error.reason, error.suggestion, error.details.job_id], ["unknown_job", "list_jobs", JOB_ID]);
      assert.deepEqual([error.retryable, error.operation], [false, "get_job"]);
      return true;
    });
  });
});

test("pages are collected", async () => {
  const pages = [{ jobs: [1, 2], next_page_token: "two" }, { jobs: [3] }];
  const script = (request, response) => response.end(envelope(pages[request.url.includes("page_token=two") ? 1 : 0]));
  await serving(script, async (url, requests) => {
    const client = new BeamMcpClient(url);
    assert.deepEqual((await client.listJobs({ all: true, state: "RUNNING" })).jobs, [1, 2, 3]);
    assert.deepEqual(await client.listJobs(), pages[0]);
    assert.equal(requests.length, 3);
  });
});

test("an upload sends its bytes", async () => {
  await serving(answering({ artifact: "artifact:sha256:00" }, undefined, 201), async (url, requests) => {
    const client = new BeamMcpClient(url);
    for (const source of [new Uint8Array([1, 2, 255]), new Blob([new Uint8Array([1, 2, 255])])]) {
      assert.equal((await client.uploadArtifact({ source, file_name: "a b.jar" })).artifact, "artifact:sha256:00");
      const { url: path, headers, bytes } = requests.at(-1);
      assert.equal(path, "/api/v1/artifacts?file_name=a%20b.jar");
      assert.equal(headers["content-type"], "application/octet-stream");
      assert.deepEqual(bytes, Buffer.from([1, 2, 255]));
    }
  });
});

test("a call has its limit, and can be cancelled", async () => {
  await serving(() => undefined, async (url) => {
    const client = new BeamMcpClient(url, { maxRetries: 0 });
    assert.equal(await codeOf(client.getJob({ job_id: JOB_ID }, { timeoutMs: 100 })), "deadline_exceeded");
    const abort = new AbortController();
    setTimeout(() => abort.abort("enough"), 50);
    await assert.rejects(client.getJob({ job_id: JOB_ID }, { signal: abort.signal }), { code: "cancelled", cause: "enough" });
  });
});

test("nobody listens: tried again, then told", async () => {
  const url = await serving(answering(job), async (url) => url);
  let tries = 0;
  const client = new BeamMcpClient(url, { maxRetries: 2, fetch: (...all) => (tries++, fetch(...all)) });
  await assert.rejects(client.getJob({ job_id: JOB_ID }), { code: "unavailable", reason: "connection_refused" });
  assert.equal(tries, 3);
});

test("what cannot be meant is refused before anything is sent", async () => {
  for (const url of ["ftp://a", "http://u:p@a", "http://a?x=1", "http://a#x", "nonsense", ""]) {
    assert.throws(() => new BeamMcpClient(url), { code: "invalid_argument", reason: "bad_url" }, url);
  }
  assert.throws(() => new BeamMcpClient("http://a", { token: "a", apiKey: "b" }), { reason: "two_secrets" });
  const never = () => assert.fail("sent");
  const client = new BeamMcpClient("http://a", { fetch: never });
  assert.equal(await codeOf(client.getJob({})), "invalid_argument");
  assert.equal(await codeOf(client.getJob({ job_id: ".." })), "invalid_argument");
  assert.equal(await codeOf(client.call("fly_job")), "invalid_argument");
});

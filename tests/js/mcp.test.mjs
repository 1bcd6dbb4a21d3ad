// The MCP connection: against the real server in both eras, and against scripted ones where a real one behaves too well.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { McpConnection } from "../../wasm/pkg/mcp.js";
import { serving } from "./fake_server.mjs";
import { realServer } from "./real_server.mjs";
import { codeOf } from "./support.mjs";

const TASKS = "io.modelcontextprotocol/tasks";
const STREAMING = { target: "sim", job_name: "words", job_type: "STREAMING", code_path: "words.jar" };

let server, url;

before(async () => {
  server = await realServer();
  url = `${server.url}/mcp`;
});
after(() => server.stop());

async function running(connection) {
  const { structuredContent } = await connection.callTool("create_job", STREAMING);
  let job = structuredContent;
  for (let cursor; job.state !== "RUNNING"; ) {
    const { structuredContent: seen } = await connection.callTool("wait_for_change", { job_id: structuredContent.job_id, cursor });
    ({ cursor } = job = seen);
  }
  return structuredContent.job_id;
}

for (const [era, version] of [["auto", "2026-07-28"], ["modern", "2026-07-28"], ["2025-11-25", "2025-11-25"], ["2025-06-18", "2025-06-18"]]) {
  test(`what a server has, ${era}`, async () => {
    const connection = new McpConnection(url, { era });
    const said = await connection.connect();
    assert.deepEqual([said.protocolVersion, said.serverInfo.name], [version, "beam-mcp"]);
    const tools = await connection.listTools();
    assert.ok(tools.some(({ name, inputSchema }) => name === "create_job" && inputSchema.type === "object"));
    const job_id = await running(connection);
    const { structuredContent, content, isError } = await connection.callTool("get_job", { job_id });
    assert.equal(isError ?? false, false);
    assert.equal(structuredContent.state, "RUNNING");
    assert.equal(content[0].type, "text");
    assert.ok((await connection.listResources()).length > 0);
    const [template] = await connection.listResourceTemplates();
    assert.match(template.uriTemplate, /^beam:/);
    const [{ text }] = await connection.readResource(`beam://sim/jobs/${job_id.split(":")[1]}`);
    assert.match(text, /RUNNING/);
    const prompts = await connection.listPrompts();
    assert.ok((await connection.getPrompt(prompts[0].name, argumentsOf(prompts[0]))).length > 0);
    const { values } = await connection.complete({ type: "ref/resource", uri: template.uriTemplate }, { name: "target", value: "s" });
    assert.deepEqual(values, ["sim"]);
    assert.equal((await connection.callTool("get_job", { job_id: "sim:@none" })).isError, true);
    assert.equal(await codeOf(connection.callTool("no_such_tool")), "invalid_argument");
    await connection.close();
  });
}

test("the pair of endpoints of 2024-11-05 is found", async () => {
  const connection = new McpConnection(`${server.url}/sse`);
  assert.equal((await connection.connect()).protocolVersion, "2024-11-05");
  assert.ok((await connection.listTools()).length > 10);
  for await (const { method } of connection.listen({ tools: true })) {
    assert.equal(method, "notifications/subscriptions/acknowledged");
    break;
  }
  assert.equal((await connection.callTool("list_runners")).content[0].type, "text");
});

const argumentsOf = ({ arguments: known = [] }) => Object.fromEntries(known.map(({ name }) => [name, "sim"]));

for (const era of ["auto", "2025-11-25"]) {
  test(`what cannot be undone is asked before, ${era}`, async () => {
    const asked = [];
    const answers = [{ action: "decline" }, { action: "accept", content: {} }];
    const answer = async (method, params) => {
      asked.push([method, typeof params.message]);
      const next = answers.shift();
      if (next.action === "accept") for (const name of params.requestedSchema.required ?? []) next.content[name] = true;
      return next;
    };
    const connection = new McpConnection(url, { era, answer });
    const job_id = await running(connection);
    const refused = await connection.callTool("cancel_job", { job_id, mode: "cancel" });
    assert.equal(refused.structuredContent?.state === "CANCELED", false);
    assert.equal((await connection.callTool("get_job", { job_id })).structuredContent.state, "RUNNING");
    const done = await connection.callTool("cancel_job", { job_id, mode: "cancel" });
    assert.equal(done.structuredContent.state, "CANCELED");
    assert.deepEqual(asked, Array(2).fill(["elicitation/create", "string"]));
    await connection.close();
  });
}

test("what an answer throws ends the call and comes through", async () => {
  const connection = new McpConnection(url, {
    answer: () => {
      throw new RangeError("no");
    },
  });
  const job_id = await running(connection);
  await assert.rejects(connection.callTool("cancel_job", { job_id, mode: "cancel" }), RangeError);
  assert.equal((await connection.callTool("get_job", { job_id })).structuredContent.state, "RUNNING");
});

test("work that goes on as a task is followed, or handed over", async () => {
  const connection = new McpConnection(url, { capabilities: { extensions: { [TASKS]: {} } } });
  const job_id = await running(connection);
  const { structuredContent } = await connection.callTool("create_savepoint", { job_id });
  assert.ok(structuredContent.savepoint_path ?? structuredContent.operation);
  const task = await connection.startTool("create_savepoint", { job_id });
  assert.deepEqual([task.resultType, typeof task.taskId], ["task", "string"]);
  assert.match((await connection.getTask(task.taskId)).status, /working|completed/);
  await connection.cancelTask(task.taskId);
});

test("news come as they are, until the loop is left", async () => {
  const connection = new McpConnection(url);
  const job_id = await running(connection);
  const uri = `beam://sim/jobs/${job_id.split(":")[1]}`;
  const told = [];
  for await (const { method, params } of connection.listen({ resourceUris: [uri] })) {
    told.push(method);
    if (told.length === 1) await connection.callTool("scale_job", { job_id, parallelism: 3 });
    else {
      assert.equal(params.uri, uri);
      break;
    }
  }
  assert.deepEqual(told, ["notifications/subscriptions/acknowledged", "notifications/resources/updated"]);
});

for (const era of ["modern", "2025-11-25"]) {
  test(`calls are answered beside news that nobody reads, ${era}`, async () => {
    const connection = new McpConnection(url, { era, answer: () => ({ action: "decline" }) });
    const limit = { timeoutMs: 10_000 };
    const news = connection.listen({ tools: true });
    // The first calls of all, and the subscription among them.
    const begun = news.next();
    const first = await Promise.all([1, 2, 3].map(() => connection.callTool("list_runners", {}, limit)));
    assert.ok(first.every(({ content }) => content.length > 0));
    assert.equal((await begun).value.method, "notifications/subscriptions/acknowledged");
    const job_id = await running(connection);
    const { content } = await connection.callTool("cancel_job", { job_id, mode: "cancel" }, limit);
    assert.ok(content.length > 0);
    await news.return();
    await connection.close();
  });
}

test("a signal cancels a call, a timeout ends it", async () => {
  const connection = new McpConnection(url);
  const job_id = await running(connection);
  let cursor;
  for (let seen; cursor === undefined || seen !== cursor; seen = cursor) {
    ({ cursor } = (await connection.callTool("wait_for_change", { job_id, timeout_seconds: 0 })).structuredContent);
  }
  const waits = (options) => connection.callTool("wait_for_change", { job_id, cursor, timeout_seconds: 20 }, options);
  assert.equal(await codeOf(waits({ signal: AbortSignal.timeout(200) })), "cancelled");
  assert.equal(await codeOf(waits({ timeoutMs: 200 })), "deadline_exceeded");
});

const message = (request) => JSON.parse(request.bytes.toString());
const json = (response, body, status = 200, headers = {}) => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
};
const result = (request, response, more) =>
  json(response, { jsonrpc: "2.0", id: message(request).id, result: { resultType: "complete", ...more } });
const DISCOVERED = { supportedVersions: ["2026-07-28"], capabilities: {} };

/** A server that wants a token, and the authorization server beside it. */
function guarded(request, response) {
  const here = `http://${request.headers.host}`;
  const [path] = request.url.split("?");
  if (path === "/.well-known/oauth-protected-resource/mcp") {
    return json(response, { resource: `${here}/mcp`, authorization_servers: [here] });
  }
  if (path === "/.well-known/oauth-authorization-server") {
    return json(response, {
      issuer: here,
      authorization_endpoint: `${here}/authorize`,
      token_endpoint: `${here}/token`,
      registration_endpoint: `${here}/register`,
      code_challenge_methods_supported: ["S256"],
    });
  }
  if (path === "/register") return json(response, { client_id: "c" }, 201);
  if (path === "/token") return json(response, { access_token: "good", token_type: "Bearer" });
  if (request.headers.authorization === "Bearer good") return result(request, response, DISCOVERED);
  return json(response, {}, 401, { "www-authenticate": "Bearer" });
}

test("the page signs its person in", async () => {
  await serving(guarded, async (here, requests) => {
    let shown;
    const authorize = async (url, redirectUri) => {
      shown = new URL(url);
      return `${redirectUri}?code=x&state=${shown.searchParams.get("state")}`;
    };
    const redirectUri = `${here}/callback`;
    const connection = new McpConnection(`${here}/mcp`, { oauth: { authorize, redirectUri, clientName: "page" } });
    assert.equal((await connection.connect()).protocolVersion, "2026-07-28");
    assert.deepEqual([shown.pathname, shown.searchParams.get("code_challenge_method")], ["/authorize", "S256"]);
    const token = requests.find(({ url }) => url === "/token");
    assert.equal(new URLSearchParams(token.bytes.toString()).get("redirect_uri"), redirectUri);
    const nobody = new McpConnection(`${here}/mcp`, { oauth: { authorize: () => undefined, redirectUri } });
    assert.equal(await codeOf(nobody.connect()), "unsupported");
  });
});

test("a token that is refused is asked for again", async () => {
  await serving(guarded, async (here) => {
    const tokens = ["old", "good"];
    const connection = new McpConnection(`${here}/mcp`, { token: () => tokens.shift() });
    assert.equal((await connection.connect()).protocolVersion, "2026-07-28");
  });
});

/** Calls a tool of a server that answers it like this. */
const calling = (script, options, use) =>
  serving(
    (request, response) => (message(request).method === "server/discover" ? result(request, response, DISCOVERED) : script(request, response)),
    (here) => use(new McpConnection(`${here}/mcp`, options)),
  );

test("what is told arrives before the answer is there", async () => {
  let go;
  const script = async (request, response) => {
    const { id, params } = message(request);
    const event = (body) => response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...body })}\r\n\r\n`);
    const told = new Promise((resolve) => (go = resolve));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": hello\n\n");
    event({ method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: 1 } });
    await told;
    event({ id, result: { content: [] } });
    response.end();
  };
  const onNotification = ({ method }) => method === "notifications/progress" && go();
  await calling(script, { onNotification }, async (connection) => {
    assert.deepEqual(await connection.callTool("a", {}, { progress: true }), { content: [] });
  });
});

test("silence has an end, and its stream is left", async () => {
  let left;
  const gone = new Promise((resolve) => (left = resolve));
  const script = (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    response.on("close", left);
  };
  await calling(script, { timeoutMs: 200 }, async (connection) => {
    assert.equal(await codeOf(connection.callTool("a")), "deadline_exceeded");
    await gone;
  });
});

test("a stream that breaks is no answer", async () => {
  const script = (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: {");
    setTimeout(() => response.destroy(), 20);
  };
  await calling(script, {}, async (connection) => {
    assert.equal(await codeOf(connection.callTool("a")), "unavailable");
  });
});

test("what is no address is refused by the first call", async () => {
  for (const address of ["", "ftp://a", "http://u:p@a/"]) {
    assert.equal(await codeOf(new McpConnection(address).connect()), "invalid_argument", address);
  }
});

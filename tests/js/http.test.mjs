// Requests by fetch against real sockets: what is sent, what is read, what becomes of faults.

import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import { test } from "node:test";

import { NEVER } from "../../wasm/pkg/abort.js";
import { credential } from "../../wasm/pkg/credential.js";
import { Sender } from "../../wasm/pkg/http.js";
import { serving } from "./fake_server.mjs";

const REQUEST = { target: "t", method: "GET", path: "/a", headers: [], body: "empty", timeout_ms: 5000, max_bytes: 1000 };

const sender = (url, opened) => new Sender((target) => (target === "t" ? { url, credential: opened } : undefined), fetch);

async function send(url, more = {}, { parts = [], sources, opened, signal = NEVER } = {}) {
  const { reply, parts: got } = await sender(url, opened).send({ ...REQUEST, ...more }, parts, signal, sources);
  return { ...reply, text: got?.[0] && new TextDecoder().decode(got[0]) };
}

const ok = (_, response) => response.end("fine");

test("method, path, query and headers are sent as asked, and nothing of the page's", async () => {
  await serving(ok, async (url, requests) => {
    const headers = [["x-a", "1"], ["accept", "application/json"]];
    const reply = await send(`${url}/base/`, { method: "DELETE", path: "/a%2Fb?q=%20x", headers });
    assert.deepEqual([reply.reply, reply.status, reply.text], ["response", 200, "fine"]);
    assert.ok(reply.headers.some(([name]) => name === "date"));
    const [request] = requests;
    assert.deepEqual([request.method, request.url, request.headers["x-a"]], ["DELETE", "/base/a%2Fb?q=%20x", "1"]);
    assert.equal(request.headers.accept, "application/json");
    assert.deepEqual([request.headers.cookie, request.headers.referer], [undefined, undefined]);
  });
});

test("another server of a target is reached, and only of a target", async () => {
  await serving(ok, async (url, requests) => {
    const reply = await send("http://127.0.0.1:9", { server: `${url}/`, path: "/log/?a=1" });
    assert.deepEqual([reply.status, requests[0].url], [200, "/log/?a=1"]);
    assert.equal((await send(url, { server: url, target: "other" })).kind, "unknown_target");
    assert.equal(requests.length, 1);
  });
});

test("a path that parsing would change is refused before anything is sent", async () => {
  await serving(ok, async (url, requests) => {
    for (const path of ["/a/../b", "no-slash", "/a b", "/a/./b"]) {
      assert.equal((await send(url, { path })).kind, "unknown_target", path);
    }
    assert.equal((await send(url, { target: "other" })).kind, "unknown_target");
    assert.equal(requests.length, 0);
  });
});

test("each kind of body is encoded, with its media type", async () => {
  const bytes = new Uint8Array([0, 255, 10]);
  const multipart = { name: "jarfile", file_name: 'a".jar', content_type: "application/java-archive", source: "s" };
  const sources = new Map([["s", bytes]]);
  await serving(ok, async (url, requests) => {
    const post = (body, headers = []) =>
      send(url, { method: "POST", body, headers }, { parts: [new Uint8Array(1), bytes], sources });
    await post({ json: { a: ["é", 1.5, null] } });
    await post({ json: {} }, [["content-type", "application/vnd.x+json"]]);
    await post({ form: [["a b", "1&2"], ["é", ""]] });
    await post({ raw: { part: 1 } }, [["content-type", "text/x"]]);
    await post({ source: "s" });
    await post({ multipart: [multipart] });
    const seen = requests.map(({ bytes, headers }) => [headers["content-type"], bytes]);
    assert.deepEqual(seen[0], ["application/json", Buffer.from('{"a":["é",1.5,null]}')]);
    assert.equal(seen[1][0], "application/vnd.x+json");
    assert.deepEqual(seen[2], ["application/x-www-form-urlencoded", Buffer.from("a%20b=1%262&%C3%A9=")]);
    assert.deepEqual(seen[3], ["text/x", Buffer.from(bytes)]);
    assert.deepEqual(seen[4], ["application/octet-stream", Buffer.from(bytes)]);
    assert.match(seen[5][0], /^multipart\/form-data; boundary=/);
    const part = seen[5][1].toString("latin1");
    assert.match(part, /name="jarfile"; filename="a%22.jar"\r\nContent-Type: application\/java-archive\r\n\r\n/);
    assert.equal((await post({ source: "other" })).kind, "source");
    assert.equal(requests.length, 6);
  });
});

test("any status is an answer, and a redirect is not followed", async () => {
  const script = (request, response) => {
    response.writeHead(request.url === "/a" ? 302 : 503, { location: "/b" });
    response.end("moved");
  };
  await serving(script, async (url, requests) => {
    const moved = await send(url);
    assert.deepEqual([moved.status, moved.text], [302, "moved"]);
    assert.equal((await send(url, { path: "/c" })).status, 503);
    assert.equal(requests.length, 2);
  });
});

test("an answer over its limit is refused, or cut at its front", async () => {
  const long = `${"x".repeat(200_000)}the end`;
  await serving((_, response) => response.end(long), async (url) => {
    assert.equal((await send(url)).kind, "too_large");
    assert.equal((await send(url, { max_bytes: long.length })).text, long);
    assert.equal((await send(url, { max_bytes: 7, tail: true })).text, "the end");
    assert.equal((await send(url, { max_bytes: 1e6, tail: true })).text, long);
  });
});

test("the limit on time is one on the whole exchange", async () => {
  const dribble = (_, response) => {
    response.write("a");
    const timer = setInterval(() => response.write("b"), 20);
    response.on("close", () => clearInterval(timer));
  };
  await serving(dribble, async (url) => {
    const began = performance.now();
    assert.equal((await send(url, { timeout_ms: 200 })).kind, "timeout");
    assert.ok(performance.now() - began < 2000);
  });
});

test("a signal ends the exchange at once", async () => {
  let closed;
  const gone = new Promise((resolve) => (closed = resolve));
  const hang = (_, response) => void response.on("close", closed);
  await serving(hang, async (url) => {
    const abort = new AbortController();
    const sent = send(url, {}, { signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    assert.equal((await sent).reply, "fault");
    await gone;
  });
});

test("faults tell whether anything can have arrived", async () => {
  const url = await serving(ok, async (url) => url);
  assert.equal((await send(url)).kind, "refused");
  assert.equal((await send("http://name.invalid")).kind, "unreachable");
  const server = createTcpServer((socket) => socket.destroy());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const closing = `http://127.0.0.1:${server.address().port}`;
  assert.equal((await send(closing)).kind, "reset");
  assert.equal((await send(closing.replace("http", "https"))).kind, "reset");
  server.close();
  await serving(ok, async (plain) => assert.equal((await send(plain.replace("http", "https"))).kind, "tls"));
});

test("an answer that ends early is a reset", async () => {
  const half = (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    setTimeout(() => response.destroy(), 20);
  };
  await serving(half, async (url) => assert.equal((await send(url)).kind, "reset"));
});

test("a credential is attached where it is asked for, and renewed once after 401", async () => {
  const secrets = ["old", "new", "newest"];
  let reads = 0;
  const opened = credential("authorization", "Bearer ", () => secrets[Math.min(reads++, 2)]);
  const script = (request, response) => {
    response.writeHead(request.headers.authorization === "Bearer new" ? 200 : 401);
    response.end();
  };
  await serving(script, async (url, requests) => {
    assert.equal((await send(url, {}, { opened })).status, 401, "not asked for");
    assert.equal(requests[0].headers.authorization, undefined);
    const both = await Promise.all([1, 2].map(() => send(url, { credential: "t" }, { opened })));
    assert.deepEqual(both.map(({ status }) => status), [200, 200]);
    assert.equal(reads, 2, "one reader at a time");
  });
});

test("a secret that stays refused is not sent again, and one that cannot be had is told as such", async () => {
  await serving((_, response) => response.writeHead(401).end(), async (url, requests) => {
    const opened = credential("x-api-key", "", () => "k");
    assert.equal((await send(url, { credential: "t" }, { opened })).status, 401);
    assert.deepEqual(requests.map(({ headers }) => headers["x-api-key"]), ["k"]);
    const none = credential("x-api-key", "", () => { throw new Error("hunter2"); });
    const fault = await send(url, { credential: "t" }, { opened: none });
    assert.deepEqual([fault.kind, fault.detail.includes("hunter2")], ["credential", false]);
  });
});

test("requests side by side: outcomes in order, at most eight at once", async () => {
  let [now, most] = [0, 0];
  const script = async (request, response) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, request.url === "/0" ? 60 : 10));
    now--;
    response.end(request.url);
  };
  await serving(script, async (url) => {
    const requests = Array.from({ length: 20 }, (_, index) => ({ ...REQUEST, path: `/${index}` }));
    requests[3] = { ...REQUEST, target: "other" };
    const { reply, parts } = await sender(url).sendAll(requests, [], NEVER);
    const texts = reply.outcomes.map((outcome) =>
      outcome.outcome === "fault" ? outcome.kind : new TextDecoder().decode(parts[outcome.body.part]),
    );
    assert.deepEqual(texts, requests.map(({ path }, index) => (index === 3 ? "unknown_target" : path)));
    assert.ok(most > 1 && most <= 8, `${most} at once`);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { NEVER } from "../../wasm/pkg/abort.js";
import { Topics } from "../../wasm/pkg/topics.js";

const soon = () => new Promise((resolve) => setImmediate(resolve));

test("a move between reading and waiting is not missed", async () => {
  const topics = new Topics();
  topics.publish("job/a", "x");
  assert.deepEqual(await topics.wait([["job/a", 0]], 9000, NEVER), [["job/a", 1, "x"]]);
  assert.deepEqual(await topics.wait([["job/a", 1]], 5, NEVER), []);
});

test("a waiter is woken by its topics alone, and once", async () => {
  const topics = new Topics();
  let woken;
  const waiting = topics.wait([["b", 0], ["c", 0]], 9000, NEVER).then((moved) => (woken = moved));
  topics.publish("a");
  await soon();
  assert.equal(woken, undefined);
  topics.publish("b", "2");
  topics.publish("c", "3");
  assert.deepEqual(await waiting, [["b", 2, "2"], ["c", 3, "3"]]);
});

test("a signal ends a wait", async () => {
  const abort = new AbortController();
  const waiting = new Topics().wait([["a", 0]], 9000, abort.signal);
  abort.abort();
  assert.deepEqual(await waiting, []);
  assert.deepEqual(await new Topics().wait([["a", 0]], 9000, AbortSignal.abort()), []);
});

test("a payload that is too long is left out, the move is not", async () => {
  const topics = new Topics();
  topics.publish("a", "x".repeat((64 << 10) + 1));
  assert.deepEqual(await topics.wait([["a", 0]], 9000, NEVER), [["a", 1, ""]]);
});

test("forgotten topics wake once", async () => {
  const topics = new Topics();
  for (let number = 0; number < 8192; number++) topics.publish(`t/${number}`, "p".repeat(2048));
  const [[name, floor, payload]] = await topics.wait([["t/0", 1]], 9000, NEVER);
  assert.deepEqual([name, payload], ["t/0", ""]);
  assert.ok(floor > 1 && floor < 8192, String(floor));
  assert.deepEqual(await topics.wait([["t/0", floor]], 5, NEVER), []);
  assert.deepEqual(await topics.wait([["t/8191", 0]], 5, NEVER), [["t/8191", 8192, "p".repeat(2048)]]);
});

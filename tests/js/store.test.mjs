// What every store must do (the twin of lambda/src/store/suite.rs), run against the memory store.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryStore } from "../../wasm/pkg/store.js";

const key = (id, tenant = "default") => ({ tenant, kind: "job", id });
const write = (id, value, expect = "any", tenant) => ({
  key: key(id, tenant),
  expect,
  put: value === null ? null : { schema: 1, expires_at: null, value },
});
const scan = (prefix, limit, more) => ({
  op: "scan", tenant: "default", kind: "job", prefix, after: null, limit, descending: false, ...more,
});
const made = (...versions) => ({ store: "committed", versions });
const failed = (reason) => ({ store: "failed", reason });

/** A store with the calls the cases make. */
function opened() {
  const store = new MemoryStore();
  const commit = (op_id, ...writes) => store.perform({ op: "commit", op_id, writes });
  const record = (id, tenant) => store.perform({ op: "get", key: key(id, tenant) }).record;
  const ids = (asked) => store.perform(asked).records.map(({ key }) => key.id);
  return { store, commit, record, ids };
}

test("versions grow, and restart after a deletion", () => {
  const { commit, record } = opened();
  assert.deepEqual(commit("v1", write("v", "a")), made(1));
  assert.deepEqual(commit("v2", write("v", "b")), made(2));
  assert.deepEqual(record("v"), { key: key("v"), version: 2, op: "v2", schema: 1, expires_at: null, value: "b" });
  assert.deepEqual(commit("v3", write("v", null, { version: 2 })), made(0));
  assert.equal(record("v"), null);
  assert.deepEqual(commit("v4", write("v", "c", "absent")), made(1));
  assert.equal(record("v", "other"), null);
});

test("a conflict names its write, shows what is there and changes nothing", () => {
  const { commit, record } = opened();
  commit("c1", write("c", "old"));
  const conflict = commit("c2", write("c-other", "x"), write("c", "new", { version: 7 }));
  assert.deepEqual(conflict, { store: "conflict", index: 1, current: record("c") });
  assert.deepEqual([record("c-other"), record("c").value], [null, "old"]);
  assert.deepEqual(commit("c3", write("nothing", null, { version: 1 })), { store: "conflict", index: 0, current: null });
});

test("the same commit twice is success", () => {
  const { commit } = opened();
  commit("s0", write("s-gone", "x"));
  const writes = [write("s", "x", "absent"), write("s-gone", null, { version: 1 }), write("s-row", "y", "absent")];
  assert.deepEqual(commit("s1", ...writes), made(1, 0, 1));
  assert.deepEqual(commit("s1", ...writes), made(1, 0, 1));
  assert.equal(commit("s2", ...writes).store, "conflict");
});

test("a commit that was written over is a conflict", () => {
  const { commit } = opened();
  const writes = [write("w-audit", "a", "absent"), write("w", "1", "absent")];
  assert.deepEqual(commit("w1", ...writes), made(1, 1));
  commit("w2", write("w", "2"));
  const again = commit("w1", ...writes);
  assert.deepEqual([again.store, again.index, again.current.version], ["conflict", 1, 2]);
});

test("pages follow the order of the bytes", () => {
  const { commit, ids } = opened();
  for (const id of ["p/b", "p/a", "p/B", "p/é", "p/a0", "p/a/x"]) commit(id, write(id, ""));
  const order = ["p/B", "p/a", "p/a/x", "p/a0", "p/b", "p/é"];
  assert.deepEqual(ids(scan("p/", 200)), order);
  const first = ids(scan("p/", 4));
  assert.deepEqual([...first, ...ids(scan("p/", 4, { after: first.at(-1) }))], order);
  assert.deepEqual(ids(scan("p/", 2, { descending: true, after: "p/b" })), ["p/a0", "p/a/x"]);
  assert.deepEqual(ids(scan("p/", 9, { descending: true })), order.toReversed());
  assert.deepEqual(ids(scan("p/", 9, { after: "p/é" })), []);
  assert.deepEqual(ids(scan("p/", 9, { after: "a" })), order);
  assert.deepEqual(ids(scan("p/", 9, { after: "z" })), []);
  assert.deepEqual(ids(scan("p/", 9, { descending: true, after: "p/B" })), []);
  assert.deepEqual(ids(scan("p/", 9, { descending: true, after: "z" })), order.toReversed());
  assert.deepEqual(ids(scan("p/", 9, { descending: true, after: "a" })), []);
});

test("the order is that of UTF-8, not that of UTF-16", () => {
  const { commit, ids } = opened();
  const order = ["u", "u\u{7f}", "u\u{ffff}", "u\u{ffff}a", "u\u{10000}", "u\u{10000}\u{1f600}", "u\u{10ffff}"];
  for (const id of order.toReversed()) commit(id, write(id, ""));
  assert.deepEqual(ids(scan("u", 99)), order);
  const bytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  assert.deepEqual(order.toSorted(bytes), order);
  assert.deepEqual(ids(scan("u", 99, { after: "u\u{ffff}b" })), order.slice(4));
});

test("prefixes are plain text", () => {
  const { commit, ids } = opened();
  for (const id of ["q%a", "q%b", "qxa", "q_", "q\u{10FFFF}", "q\u{10FFFF}z", "q\0", "q'--"]) commit(id, write(id, ""));
  assert.deepEqual(ids(scan("q%", 9)), ["q%a", "q%b"]);
  assert.deepEqual(ids(scan("q_", 9)), ["q_"]);
  assert.deepEqual(ids(scan("q\u{10FFFF}", 9)), ["q\u{10FFFF}", "q\u{10FFFF}z"]);
  assert.deepEqual(ids(scan("q\u{10FFFF}", 9, { descending: true })), ["q\u{10FFFF}z", "q\u{10FFFF}"]);
  assert.equal(ids(scan("q", 200)).length, 8);
  assert.deepEqual(ids(scan("q", 1, { after: "q" })), ["q\0"]);
});

test("all tenants are one order", () => {
  const { commit, ids } = opened();
  const rows = [["t1", "z/1"], ["t2", "z/2"], ["t1", "z/3"], ["t3", "z/4"]];
  commit("z", ...rows.map(([tenant, id]) => write(id, "", "any", tenant)));
  assert.deepEqual(ids(scan("z/", 3, { tenant: "*" })), ["z/1", "z/2", "z/3"]);
  assert.deepEqual(ids(scan("z/", 3, { tenant: "*", after: "z/3" })), ["z/4"]);
  assert.deepEqual(ids(scan("z/", 3, { tenant: "*", descending: true })), ["z/4", "z/3", "z/2"]);
  assert.deepEqual(ids(scan("z/", 9)), []);
});

test("expiry is kept, and purged late", () => {
  const { store, commit, record, ids } = opened();
  const expiring = write("e", "x");
  expiring.put.expires_at = 5000;
  commit("e1", expiring);
  assert.equal(record("e").expires_at, 5000);
  assert.deepEqual(ids(scan("e", 9)), ["e"]);
  assert.deepEqual([store.purge(5000), store.purge(5001)], [0, 1]);
  assert.equal(record("e"), null);
});

test("limits hold", () => {
  const { store, commit } = opened();
  const many = Array.from({ length: 21 }, (_, index) => write(`l${index}`, ""));
  assert.deepEqual(commit("l", ...many.slice(0, 20)), made(...Array(20).fill(1)));
  assert.deepEqual(commit("l", ...many), failed("too_many_writes"));
  const largest = "v".repeat(256 << 10);
  assert.deepEqual(commit("l1", write("i".repeat(512), largest)), made(1));
  assert.deepEqual(commit("l", write("l", `${largest}v`)), failed("value_too_large"));
  assert.deepEqual(commit("l", write("l", "é".repeat((256 << 10) / 2 + 1))), failed("value_too_large"));
  assert.deepEqual(commit("l", write("i".repeat(513), "")), failed("bad_id_length"));
  assert.deepEqual(commit("l", write("é".repeat(257), "")), failed("bad_id_length"));
  assert.deepEqual(commit("l", write("", "")), failed("bad_id_length"));
  assert.deepEqual(commit("l", write("l", ""), write("l", "")), failed("key_written_twice"));
  assert.deepEqual(commit("l", write("l", null, "any", "*")), failed("bad_tenant"));
  assert.deepEqual(store.perform(scan("", 201)), failed("bad_page_size"));
  assert.deepEqual(store.perform(scan("", 0)), failed("bad_page_size"));
  assert.deepEqual(commit("l"), made());
});

test("a full store refuses writes and answers reads", () => {
  const store = new MemoryStore(64);
  const commit = (op_id, ...writes) => store.perform({ op: "commit", op_id, writes });
  assert.deepEqual(commit("op1", write("a", "v".repeat(60))), made(1));
  assert.deepEqual(commit("op2", write("b", "more")), failed("memory_full"));
  assert.equal(store.perform({ op: "get", key: key("a") }).record.value.length, 60);
  assert.deepEqual(commit("op3", write("a", null)), made(0));
  assert.deepEqual(commit("op2", write("b", "more")), made(1));
});

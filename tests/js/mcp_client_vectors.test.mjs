// The shared vectors of the core's MCP client (made by tests/rust/mcp_client), through the wasm module alone.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { load } from "../../wasm/pkg/mcp.js";
import * as wasm from "../../wasm/pkg/wasm/mcp.js";
import { assertHolds, stepper, vector, vectors, zeros } from "./support.mjs";

before(() => load());

function connection(options) {
  const [kind, json] = wasm.connect(JSON.stringify(options));
  assert.equal(kind, "done", json);
  return JSON.parse(json).connection;
}

/** The time an effect took. */
const passed = ({ ms, timeout_ms }, { reply }) => ms ?? (reply === "elapsed" ? (timeout_ms ?? 1) : 1);

function replay(number, { verb, input, steps, data, error, mono_ms }, name) {
  const step = stepper(wasm, wasm.start(number, verb, JSON.stringify(input), "{}", zeros));
  let now = mono_ms ?? 0;
  let told = step(now, 0);
  for (const { effect, reply } of steps) {
    assert.deepEqual([told.kind, told.value], ["effect", effect], name);
    now += passed(effect, reply);
    told = step(now, 0, reply);
  }
  if (data !== undefined) return assert.deepEqual([told.kind, told.value], ["done", data], name);
  assert.equal(told.kind, "error", name);
  assertHolds(told.value, error, name);
}

// What calls a verb of Beam as a tool is another module's.
const cases = vectors("mcp_client").map((file) => [file, vector(file)]).filter(([, { calls }]) => !calls.some(({ is_tool }) => is_tool));

test("there are vectors", () => assert.ok(cases.length > 30));

for (const [file, { options, calls }] of cases) {
  test(file, () => {
    const number = connection(options);
    for (const call of calls) replay(number, call, file);
    wasm.disconnect(number);
    const [kind, json] = wasm.step(wasm.start(number, "connect", "{}", "{}", zeros), 0, 0, undefined, []);
    assert.equal(kind, "error");
    assert.equal(JSON.parse(json).code, "misuse");
  });
}

test("options that are none are refused", () => {
  for (const [options, why] of [["{", "misuse"], ["{}", "misuse"], ['{"url": "ftp://a"}', "invalid_argument"]]) {
    const [kind, json] = wasm.connect(options);
    assert.deepEqual([kind, JSON.parse(json).code], ["error", why], options);
  }
});

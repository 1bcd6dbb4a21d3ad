// The shared vectors of the client's calls and of the contract, through the wasm module alone.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { load } from "../../wasm/pkg/client.js";
import * as wasm from "../../wasm/pkg/wasm/client.js";
import { assertHolds, stepper, vector, vectors, zeros } from "./support.mjs";

before(() => load());

function start({ verb, input, options = {}, labels = {}, deadline_ms }) {
  const handle = wasm.start(JSON.stringify({ verb, input, options, call: { deadline_ms, labels } }), zeros);
  return stepper(wasm, handle);
}

const calls = vectors("client");

test("there are vectors", () => assert.ok(calls.length > 15));

for (const file of calls) {
  test(file, () => {
    const call = vector(file);
    const step = start(call);
    let [now, reply] = [0, undefined];
    for (const wanted of call.steps) {
      const { kind, value, parts } = step(now, 0, reply);
      assert.equal(kind, "effect", JSON.stringify(value));
      assert.equal(parts.length, 0);
      if (wanted.effect === "sleep") assert.equal(value.effect, "sleep");
      else assert.deepEqual(value, wanted.effect);
      now += value.ms ?? 0;
      reply = wanted.reply;
    }
    const { kind, value } = step(now, 0, reply);
    if (call.data) assert.deepEqual([kind, value], ["done", call.data]);
    else {
      assert.equal(kind, "error");
      assertHolds(value, call.error, file);
    }
  });
}

/** The class is Python's; the JavaScript name is what the error object calls its name. */
function wantedError({ class: _, js_name, ...error }) {
  return js_name === undefined ? error : { ...error, name: js_name };
}

function replay(name, contract, effects) {
  const step = start(contract);
  for (const [index, { mono_ms, wall_ms, reply, effect, data, error }] of contract.steps.entries()) {
    const told = step(mono_ms, wall_ms, reply);
    const where = `${name} step ${index}`;
    if (effect !== undefined) {
      const wanted = typeof effect === "string" ? effects[effect] : effect;
      assert.deepEqual([told.kind, told.value], ["effect", wanted], where);
    } else if (data !== undefined) {
      assert.deepEqual([told.kind, told.value], ["done", data], where);
    } else {
      assert.equal(told.kind, "error", where);
      assertHolds(told.value, wantedError(error), where);
    }
  }
}

for (const file of vectors("flow")) {
  const { cases, effects = {} } = vector(file);
  for (const contract of cases) {
    const name = `${file} ${contract.name}`;
    test(name, () => replay(name, contract, effects));
  }
}

test("there are cases of every rule a binding can break", () => {
  const rules = new Set(vectors("flow").flatMap((file) => vector(file).cases.map(({ rule }) => rule)));
  for (const rule of [1, 2, 3, 4]) assert.ok(rules.has(rule), `rule ${rule}`);
});

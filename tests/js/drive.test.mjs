// The loop that drives flows, rule by rule of the contract at its head. The flows are those of the client module, and
// scripts where a rule needs an engine's.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { load } from "../../wasm/pkg/client.js";
import { drive } from "../../wasm/pkg/drive.js";
import { performer } from "../../wasm/pkg/effects.js";
import * as wasm from "../../wasm/pkg/wasm/client.js";
import { JOB_ID, codeOf, zeros } from "./support.mjs";

before(() => load());

const get = (verb = "get_job") => wasm.start(JSON.stringify({ verb, input: { job_id: JOB_ID } }), zeros);

const envelope = (status, data) => ({
  reply: { reply: "response", status, headers: [], body: { part: 0 } },
  parts: [new TextEncoder().encode(JSON.stringify({ data }))],
});

const refused = { reply: { reply: "fault", kind: "refused", detail: "" } };

/** A module whose one flow asks for these effects, one after the other, whatever the replies. */
function scripted(effects, { mustFinishFrom = Infinity, end = ["done", "7"] } = {}) {
  const script = {
    steps: [],
    freed: 0,
    step(_, mono, wall, reply, parts) {
      script.steps.push({ mono, wall, reply: reply && JSON.parse(reply), parts });
      const effect = effects[script.steps.length - 1];
      return effect ? ["effect", JSON.stringify(effect)] : end;
    },
    free: () => void script.freed++,
    mustFinish: () => script.steps.length > mustFinishFrom,
  };
  return script;
}

const replies = (script) => script.steps.slice(1).map(({ reply }) => reply.reply);

test("rules 1 and 2: the first step has no reply, each other one that to the effect before it", async () => {
  const script = scripted([{ effect: "sleep", ms: 1 }, { effect: "send" }, { effect: "sleep", ms: 2 }]);
  const asked = [];
  let outstanding = 0;
  const perform = async (effect) => {
    assert.equal(++outstanding, 1, "two effects at once");
    asked.push(effect.effect);
    await new Promise((resolve) => setImmediate(resolve));
    outstanding--;
    return { reply: { reply: `to ${asked.length}` } };
  };
  assert.deepEqual(await drive(script, 1, perform, {}), { value: 7, parts: [] });
  assert.equal(script.steps[0].reply, undefined);
  assert.deepEqual(replies(script), ["to 1", "to 2", "to 3"]);
  assert.deepEqual(asked, ["sleep", "send", "sleep"]);
});

test("rule 1: the module takes a reply out of turn, and a second step, as misuse", () => {
  const early = get();
  assert.match(wasm.step(early, 0, 0, '{"reply":"elapsed"}', [])[1], /"code":"misuse"/);
  assert.match(wasm.step(early, 0, 0, undefined, [])[1], /"code":"misuse"/);
  const twice = get();
  assert.equal(wasm.step(twice, 0, 0, undefined, [])[0], "effect");
  assert.match(wasm.step(twice, 0, 0, undefined, [])[1], /"code":"misuse"/);
});

test("what a flow ends with is its value or its error", async () => {
  const found = async () => envelope(200, { state: "RUNNING" });
  assert.deepEqual((await drive(wasm, get(), found, {})).value, { state: "RUNNING" });
  const missing = async () => envelope(404, {});
  await assert.rejects(drive(wasm, get(), missing, {}), (error) => {
    assert.equal(error.name, "NotFound");
    assert.deepEqual([error.code, error.http, error.operation, error.retryable], ["not_found", 404, "get_job", false]);
    assert.equal(error.reason, "no_error_object");
    assert.notEqual(error.suggestion, "");
    return true;
  });
});

test("rule 3: every step is given both times, as they are", async () => {
  const script = scripted([{ effect: "sleep", ms: 1 }]);
  const clock = { mono: () => 5 * script.steps.length, wall: () => 1000 - script.steps.length };
  await drive(script, 1, async () => ({ reply: { reply: "elapsed" } }), { clock });
  assert.deepEqual(script.steps.map(({ mono, wall }) => [mono, wall]), [[0, 1000], [5, 999]]);
});

test("rule 4: a signal cancels the outstanding effect and the flow ends", async () => {
  for (const already of [true, false]) {
    const abort = new AbortController();
    const asked = [];
    const perform = (effect, _, signal) => {
      asked.push(effect.effect);
      setImmediate(() => abort.abort("gone"));
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("torn"))));
    };
    if (already) abort.abort("gone");
    await assert.rejects(drive(wasm, get(), perform, { signal: abort.signal }), (error) => {
      assert.deepEqual([error.code, error.name, error.cause], ["cancelled", "Cancelled", "gone"]);
      return true;
    });
    assert.deepEqual(asked, already ? [] : ["send"]);
  }
});

test("rule 4: a cancelled sleep is no repetition", async () => {
  const abort = new AbortController();
  let sends = 0;
  const perform = (effect) => {
    if (effect.effect === "send") return Promise.resolve(++sends && refused);
    abort.abort();
    return new Promise(() => undefined);
  };
  assert.equal(await codeOf(drive(wasm, get(), perform, { signal: abort.signal })), "cancelled");
  assert.equal(sends, 1);
});

test("rule 4: after a cancel the flow's clean-up is performed, with replies as they are", async () => {
  const script = scripted([{ effect: "sleep", ms: 1 }, { effect: "send" }]);
  const signal = AbortSignal.abort();
  const perform = async (effect) => (assert.equal(effect.effect, "send"), { reply: { reply: "fault" } });
  await drive(script, 1, perform, { signal });
  assert.deepEqual(replies(script), ["cancelled", "fault"]);
});

test("a clean-up that does not end is given up and the flow freed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const script = scripted(Array(99).fill({ effect: "send" }));
  const never = () => new Promise(() => undefined);
  const driven = drive(script, 1, never, { signal: AbortSignal.abort() });
  await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(10_000);
  assert.equal(await codeOf(driven), "cancelled");
  assert.equal(script.freed, 1);
});

test("a store operation and a publication are not torn; the next effect is cancelled", async () => {
  for (const effect of ["store", "publish"]) {
    const abort = new AbortController();
    const script = scripted([{ effect }, { effect: "send" }]);
    const perform = async () => (abort.abort(), { reply: { reply: "kept" } });
    await drive(script, 1, perform, { signal: abort.signal });
    assert.deepEqual(replies(script), ["kept", "cancelled"], effect);
  }
});

test("rule 5: a flow that must finish is driven on although its caller is gone", async () => {
  const abort = new AbortController();
  const script = scripted([{ effect: "store" }, { effect: "send" }, { effect: "store" }], { mustFinishFrom: 1 });
  let kept;
  const perform = async (effect) => {
    if (effect.effect === "send") abort.abort("gone");
    await new Promise((resolve) => setImmediate(resolve));
    return { reply: { reply: `to ${effect.effect}` } };
  };
  const driven = drive(script, 1, perform, { signal: abort.signal, waitUntil: (work) => (kept = work) });
  await assert.rejects(driven, { code: "cancelled", cause: "gone" });
  assert.deepEqual(script.steps.length, 2, "the caller is told at once");
  assert.equal(script.freed, 0);
  assert.deepEqual(await kept, { value: 7, parts: [] });
  assert.deepEqual(replies(script), ["to store", "to send", "to store"]);
  assert.equal(script.freed, 1);
});

test("rule 6: a host that breaks frees the flow and tells why", async () => {
  const handle = get();
  const broken = new TypeError("no host");
  await assert.rejects(drive(wasm, handle, async () => { throw broken; }, {}), broken);
  assert.match(wasm.step(handle, 0, 0, undefined, [])[1], /"code":"misuse"/);
});

test("what a host has no handler for is unsupported", async () => {
  const perform = performer("this host", { sleep: async () => ({ reply: { reply: "elapsed" } }) });
  for (const effect of ["rpc", "stage", "launch", "signal", "observe", "send"]) {
    const { reply } = await perform({ effect }, [], AbortSignal.abort());
    assert.deepEqual(reply, { reply: "unsupported", reason: `this host cannot do \`${effect}\`` });
  }
  assert.equal(await codeOf(drive(wasm, get(), perform, {})), "unsupported");
});

test("byte parts travel both ways", async () => {
  const script = scripted([{ effect: "send", body: { raw: { part: 0 } } }], { end: ["done", "{}", new Uint8Array([3])] });
  const step = script.step;
  script.step = (...all) => (script.steps.length === 0 ? [...step(...all), new Uint8Array([1])] : step(...all));
  const perform = async (_, parts) => ({ reply: { reply: "response" }, parts: [...parts, new Uint8Array([2])] });
  const { parts } = await drive(script, 1, perform, {});
  assert.deepEqual(script.steps[1].parts, [new Uint8Array([1]), new Uint8Array([2])]);
  assert.deepEqual(parts, [new Uint8Array([3])]);
});

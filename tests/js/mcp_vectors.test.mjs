// The shared vectors of the MCP endpoint, through a wasm module that serves the surface they describe.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as wasm from "../../wasm/pkg/build/fixture/web/fixture.js";
import { stepper, vector, vectors } from "./support.mjs";

const bytes = readFileSync(new URL("../../wasm/pkg/build/fixture/web/fixture_bg.wasm", import.meta.url));
wasm.initSync({ module: bytes });

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** Header names in lower case; an array of values is a header that is repeated. */
function pairs(headers) {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one) => [name.toLowerCase(), text(one)]),
  );
}

/** The end of a flow; frames and sleeps on the way are answered. */
function finish(handle) {
  const step = stepper(wasm, handle);
  let told = step(0, 0);
  while (told.kind === "effect") {
    const reply = { emit: "ok", sleep: "elapsed" }[told.value.effect];
    assert.ok(reply, `no ${told.value.effect} was expected`);
    told = step(0, 0, { reply });
  }
  assert.equal(told.kind, "done", JSON.stringify(told.value));
  return { ...told.value, body: new TextDecoder().decode(told.parts[0]) };
}

/** A wording that is left open must be one short line. */
function forgetMessages(got, want, name) {
  if (Array.isArray(got) && Array.isArray(want)) return got.forEach((one, index) => forgetMessages(one, want[index], name));
  if (!got?.error || want?.error?.message !== undefined) return;
  const { message } = got.error;
  assert.match(message, /^[^\n]+$/, name);
  assert.ok(Buffer.byteLength(message) <= 200, `${name}: ${message}`);
  delete got.error.message;
}

function compare(body, want, name) {
  if (want === undefined || want === null) return assert.equal(body, "", name);
  const got = JSON.parse(body);
  forgetMessages(got, want, name);
  assert.deepEqual(got, want, name);
}

const cases = vectors("mcp").flatMap((file) => vector(file));

test("there are vectors", () => assert.ok(cases.length >= 100));

for (const { name, request, response, line, answer } of cases) {
  test(name, () => {
    if (line !== undefined) return compare(finish(wasm.serveLine(text(line))).body, answer, name);
    const { method, path, headers, body = "" } = request;
    const form = { method, path, headers: pairs(headers) };
    const got = finish(wasm.serve(JSON.stringify(form), new TextEncoder().encode(text(body))));
    assert.equal(got.status, response.status, `${name}: ${got.body}`);
    const found = new Map(got.headers ?? []);
    for (const [header, value] of Object.entries(response.headers ?? {})) assert.equal(found.get(header), value, name);
    compare(got.body, response.body, name);
  });
}

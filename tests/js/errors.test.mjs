// The one table of errors, as JavaScript sees it.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { BeamMcpError } from "../../wasm/pkg/client.js";
import { load } from "../../wasm/pkg/engine.js";
import * as wasm from "../../wasm/pkg/wasm/engine.js";
import { vector } from "./support.mjs";

before(() => load());

test("the table is the shared one", () => {
  const [kind, json] = wasm.errorTable();
  const wanted = vector("error/table.json").kinds.map(({ code, js, http }) => [code, js, http]);
  assert.deepEqual([kind, JSON.parse(json)], ["done", wanted]);
});

test("errors of this side have the table's words", async () => {
  const { cancelled, invalid } = await import("../../wasm/pkg/errors.js");
  const rows = new Map(vector("error/table.json").kinds.map((row) => [row.code, row]));
  for (const error of [cancelled("why"), invalid("r", "m", "s")]) {
    assert.ok(error instanceof BeamMcpError);
    const { js, http, retryable } = rows.get(error.code);
    assert.deepEqual([error.name, error.http, error.retryable], [js, http, retryable]);
  }
});

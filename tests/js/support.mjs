// What the tests share: the modules as built, the shared vectors, comparisons.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);

/** A JSON file beneath tests/vectors. */
export const vector = (path) => JSON.parse(readFileSync(here(`../vectors/${path}`), "utf8"));

/** Names of the JSON files of a folder beneath tests/vectors, sorted. */
export const vectors = (folder) =>
  readdirSync(here(`../vectors/${folder}/`))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => `${folder}/${file}`);

/** Fails unless a part is within a whole, member by member. */
export function assertHolds(whole, part, name) {
  if (part === null || typeof part !== "object" || Array.isArray(part)) return assert.deepEqual(whole, part, name);
  for (const [key, value] of Object.entries(part)) {
    assert.ok(whole !== null && typeof whole === "object" && key in whole, `${name}: no ${key} in ${JSON.stringify(whole)}`);
    assertHolds(whole[key], value, `${name}.${key}`);
  }
}

export const zeros = new Uint8Array(32);

/** Steps a flow of a module with replies as JSON values. */
export function stepper(flows, handle) {
  return (mono, wall, reply, parts = []) => {
    const text = reply === null || reply === undefined ? undefined : JSON.stringify(reply);
    const [kind, json, ...rest] = flows.step(handle, mono, wall, text, parts);
    return { kind, value: JSON.parse(json), parts: rest };
  };
}

/** The code of the error a promise is rejected with. */
export async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.constructor.name, "BeamMcpError", String(error.stack));
    return error.code;
  }
  return assert.fail("it did not fail");
}

export const JOB_ID = `sim:${"0123456789abcdef".repeat(2)}`;

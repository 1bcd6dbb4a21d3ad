// Writes js/vocabulary.ts from the golden files of the verbs' schemas and of the error table. What MCP adds to its tools is
// not in them.
//
// node wasm/generate.mjs           writes it
// node wasm/generate.mjs --check   exits 1 when it is not what would be written

import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const vectors = new URL("../tests/vectors/", import.meta.url);
const target = new URL("js/vocabulary.ts", import.meta.url);
const read = (file) => JSON.parse(readFileSync(new URL(file, vectors), "utf8"));

/** Types the schemas leave open, by member or by verb and member. A member that is open and not here is an error. */
const OPEN = {
  actual: "Record<string, number>",
  checkpoints: "Checkpoint[]",
  contexts: "ExecutionContext[]",
  counts: "CheckpointCounts",
  job: "Job",
  jobs: "Job[]",
  logs: "LogEntry[]",
  metrics: "Record<string, number>",
  notes: "string[]",
  open_operations: "string[]",
  operation: "Operation",
  plan: "Plan",
  restored_from: "RestoredFrom",
  runners: "Runner[]",
  stages: "Stage[]",
  system: "Metric[]",
  units: "Record<string, string>",
  user: "Metric[]",
};

/** Narrower than the schemas of outputs say, which are kept short for models. */
const NARROWER = {
  "get_operation.state": "OperationState",
  job_type: '"BATCH" | "STREAMING"',
  state: "JobState",
};

const words = (values) => values.map((value) => JSON.stringify(value)).join(" | ");
const pascal = (verb) => verb.replace(/(?:^|_)(.)/g, (_, letter) => letter.toUpperCase());

function type(schema, name) {
  if (schema.enum) return words(schema.enum);
  switch (schema.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
    case "string":
      return schema.type;
    case "array":
      return schema.items ? `${type(schema.items, name)}[]` : open(name);
    case "object":
      if (schema.properties) return `{\n${members(schema, name, "    ")}  }`;
      return OPEN[name.split(".").at(-1)] ?? "Record<string, unknown>";
    default:
      throw new Error(`${name}: no type for ${JSON.stringify(schema)}`);
  }
}

function open(name) {
  const found = OPEN[name.split(".").at(-1)];
  if (!found) throw new Error(`${name}: say in OPEN what it holds`);
  return found;
}

function members(schema, verb, indent, isInput = true) {
  const line = ([name, member]) => {
    const narrower = isInput ? undefined : (NARROWER[`${verb}.${name}`] ?? NARROWER[name]);
    const isNeeded = schema.required?.includes(name) || (isInput && name === "job_id");
    const about = member.description ? `${indent}/** ${member.description.replaceAll("\n", " ")} */\n` : "";
    return `${about}${indent}${name}${isNeeded ? "" : "?"}: ${narrower ?? type(member, `${verb}.${name}`)};\n`;
  };
  return Object.entries(schema.properties).map(line).join("");
}

function shapes({ name, inputSchema, outputSchema }) {
  const input = `export interface ${pascal(name)}Input {\n${members(inputSchema, name, "  ")}}\n`;
  return `${input}\nexport interface ${pascal(name)}Output {\n${members(outputSchema, name, "  ", false)}}\n`;
}

const verbs = readdirSync(new URL("verbs/", vectors))
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => read(`verbs/${file}`));
const states = verbs.find(({ name }) => name === "list_jobs").inputSchema.properties.state.enum;
const codes = read("error/table.json").kinds.map(({ code }) => code);
const rows = verbs.map(({ name }) => `  ${name}: { input: ${pascal(name)}Input; output: ${pascal(name)}Output };\n`);

const text = `// Made by wasm/generate.mjs from tests/vectors: do not edit.

import type { Checkpoint, CheckpointCounts, LogEntry, Metric, OperationState, Plan, RestoredFrom, Runner, Stage } from "./shapes.js";

export type * from "./shapes.js";

/** The stable words of errors. */
export type ErrorCode = ${words(codes)};

/** States of a job. */
export type JobState = ${words(states)};

/** A job as callers see it. */
export type Job = GetJobOutput;

/** A run profile of the catalogue. */
export type ExecutionContext = GetContextOutput;

/** The record of a savepoint, scale, drain, stop or cancel. */
export type Operation = GetOperationOutput;

${verbs.map(shapes).join("\n")}
/** Every verb of an engine. */
export interface Verbs {
${rows.join("")}}
`;

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("js/vocabulary.ts is not what wasm/generate.mjs writes: run it");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}

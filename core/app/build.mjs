// Makes core/src/tool/app.html, the job view in one file, of the parts in this folder.
//
//   node core/app/build.mjs TSC            writes it
//   node core/app/build.mjs TSC --check    exits 1 where it is not what would be written
//
// The parts are plain scripts that share one scope; tsc checks them together and takes types and comments out.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = (path) => new URL(path, import.meta.url);
const read = (path) => readFileSync(here(path), "utf8");

/** Lines without indentation and without the empty ones. No part holds a text over several lines. */
const trimmed = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .join("\n");

function script(tsc) {
  const folder = mkdtempSync(join(tmpdir(), "beam-mcp-app-"));
  try {
    const config = here("tsconfig.json").pathname;
    execFileSync(process.execPath, [tsc, "--project", config, "--outDir", folder], { stdio: "inherit" });
    const parts = JSON.parse(read("tsconfig.json")).files.map((file) => readFileSync(join(folder, file.replace(/ts$/, "js")), "utf8"));
    const body = trimmed(parts.map((part) => part.replace(/^"use strict";$/m, "")).join("\n"));
    return `"use strict";(()=>{\n${body}\n})();`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function page(tsc) {
  const script_ = script(tsc);
  if (/<\/script|<!--/i.test(script_)) throw new Error("the script would end the page's element");
  const style = trimmed(read("style.css"));
  return read("job.html").replace("{{style}}", () => style).replace("{{script}}", () => script_);
}

const [tsc, check] = process.argv.slice(2);
const target = here("../src/tool/app.html");
const made = page(tsc);
if (check) process.exitCode = made === readFileSync(target, "utf8") ? 0 : 1;
else writeFileSync(target, made);
console.log(`${made.length} characters`);

// Compares what wasm/build.sh built with its baseline: imports.txt and sizes.json.
//
// node wasm/check.mjs            exits 1 on a new import, a size over its bar, or one that grew by more than 5 %
// node wasm/check.mjs --accept   writes the baseline

import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** Brotli bytes that all files of an entry may take (DESIGN section 10, which names none for `mcp`). */
const BARS = { client: 75_000, mcp: 155_000, engine: 300_000 };
const GROWTH = 1.05;

const here = (file) => new URL(file, import.meta.url);
const read = (file) => readFileSync(here(file));
const accept = process.argv.includes("--accept");
let failed = false;

function complain(text) {
  console.error(`wasm: ${text}`);
  failed = true;
}

/** The files an entry loads: its modules, found by their import lines, and its wasm. */
function files(entry) {
  const found = new Set([`pkg/${entry}.js`]);
  for (const file of found) {
    for (const [, path] of read(file).toString().matchAll(/\bfrom "(\.[^"]+)";/g)) {
      found.add(new URL(path, here(file)).pathname.slice(here(".").pathname.length));
    }
  }
  return [...found, `pkg/wasm/${entry}_bg.wasm`];
}

const text = (file) => /\.wasm$/.test(file) ? read(file) : Buffer.from(bare(read(file).toString()));

/** The source without comments and indentation: what any minifier takes out at least. */
function bare(source) {
  return source.replace(/^\s*\/\*\*?[\s\S]*?\*\/\n/gm, "").replace(/^\s*\/\/.*\n/gm, "").replace(/^\s+/gm, "");
}

function brotli(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return brotliCompressSync(bytes, { params }).length;
}

function measure(entry) {
  const all = files(entry);
  const wasm = text(all.at(-1));
  const script = Buffer.concat(all.slice(0, -1).map(text));
  const sizes = { raw: wasm.length, gzip: gzipSync(wasm, { level: 9 }).length, brotli: brotli(wasm) };
  return { wasm: sizes, js: { raw: script.length, brotli: brotli(script) }, brotli: sizes.brotli + brotli(script) };
}

/** What a module imports; the hashes in the names are those of the compiler's run. */
function imports(entry) {
  const module = new WebAssembly.Module(read(`pkg/wasm/${entry}_bg.wasm`));
  return WebAssembly.Module.imports(module).map(({ name, kind }) => `${entry} ${name.replace(/_[0-9a-f]{16}$/, "")} ${kind}`);
}

const entries = Object.keys(BARS);
const sizes = Object.fromEntries(entries.map((entry) => [entry, measure(entry)]));
const listed = `${entries.flatMap(imports).sort().join("\n")}\n`;
const row = (name, { wasm, js, brotli }) => ({ name, "wasm raw": wasm.raw, "wasm gzip": wasm.gzip, "wasm brotli": wasm.brotli, "js brotli": js.brotli, "all brotli": brotli, bar: BARS[name] });
console.table(entries.map((name) => row(name, sizes[name])));

if (accept) {
  writeFileSync(here("imports.txt"), listed);
  writeFileSync(here("sizes.json"), `${JSON.stringify(sizes, null, 2)}\n`);
} else {
  const before = JSON.parse(read("sizes.json"));
  const wanted = read("imports.txt").toString();
  for (const line of listed.split("\n")) if (!wanted.includes(`${line}\n`)) complain(`a new import: ${line}`);
  for (const entry of entries) {
    const [now, then] = [sizes[entry].brotli, before[entry].brotli];
    if (now > then * GROWTH) complain(`${entry} grew from ${then} to ${now} bytes (brotli); --accept makes it the baseline`);
  }
}
for (const entry of entries) {
  const { brotli } = sizes[entry];
  if (brotli <= BARS[entry]) continue;
  const over = `${entry} is ${brotli} bytes (brotli), over its bar of ${BARS[entry]}`;
  // The engine never was within its bar; until it is, only growth is an error.
  if (entry === "engine") console.error(`wasm: ${over}`);
  else complain(over);
}
process.exitCode = failed ? 1 : 0;

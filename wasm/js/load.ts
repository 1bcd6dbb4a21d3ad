/** Where the WebAssembly module comes from: its address, its bytes, an answer that carries it, or itself compiled. */
export type WasmSource = URL | string | Response | BufferSource | WebAssembly.Module;

type Init = (input: { module_or_path: WasmSource | Promise<WasmSource> }) => Promise<unknown>;

/** A module that is instantiated at most once, on first use. */
export class Loader<Module> {
  #loading: Promise<Module> | undefined;

  constructor(
    readonly init: Init,
    readonly module: Module,
    readonly byDefault: URL,
  ) {}

  /** The module, instantiated from `source` unless that happened before. */
  load(source?: WasmSource | Promise<WasmSource>): Promise<Module> {
    return (this.#loading ??= this.#load(source ?? this.byDefault));
  }

  async #load(source: WasmSource | Promise<WasmSource>): Promise<Module> {
    try {
      await this.init({ module_or_path: await readable(await source) });
      return this.module;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
  }
}

/** The source, read where it is a file of Node, which `fetch` does not read. */
async function readable(source: WasmSource): Promise<WasmSource> {
  if (!(source instanceof URL) || source.protocol !== "file:") return source;
  // Not a literal, so that no bundler looks for it.
  const files = "node:fs/promises";
  const { readFile } = (await import(files)) as { readFile(file: URL): Promise<BufferSource> };
  return readFile(source);
}

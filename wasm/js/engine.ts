/** The engine entry: a beam-mcp server without a socket, in the page or worker. */

import init, * as wasm from "./wasm/engine.js";

import { sleep } from "./abort.js";
import { type CallOptions, callForm, randomBytes } from "./call.js";
import { type Ended, drive, end, systemClock } from "./drive.js";
import type { Header, Perform } from "./effects.js";
import { EngineHost, type HostOptions, type Targets } from "./host.js";
import { Inbound, plain } from "./inbound.js";
import { Loader, type WasmSource } from "./load.js";
import type { Verbs } from "./vocabulary.js";

export type { CallOptions, Labels } from "./call.js";
export { BeamMcpError, type ErrorDetails } from "./errors.js";
export type { HostOptions } from "./host.js";
export type { WasmSource } from "./load.js";
export * from "./store.js";
export type * from "./vocabulary.js";

const loader = new Loader(init, wasm, new URL("./wasm/engine_bg.wasm", import.meta.url));

/** Instantiates the module ahead of the first engine, or from elsewhere than its file beside this one. */
export async function load(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  await loader.load(source);
}

/** What the page or worker itself may do. */
export type Role = "viewer" | "operator" | "admin";

/** How an engine runs. */
export interface EngineOptions extends HostOptions {
  /** What `run` and `line` may do; default `operator`. */
  role?: Role;
}

/** Longest that a call may take beyond the longest wait, in milliseconds. */
const MARGIN = 30_000;

/** A beam-mcp engine: requests, verbs and the reconciler over one store. */
export class BeamMcpEngine {
  readonly #engine: number;
  readonly #host: EngineHost;
  readonly #role: Role;

  /** Makes an engine of a configuration document. */
  static async create(config: object, options: EngineOptions = {}): Promise<BeamMcpEngine> {
    await loader.load();
    const host = new EngineHost(options);
    const made = end(wasm.create(JSON.stringify(config), JSON.stringify(host.form())));
    const { engine, targets } = made.value as { engine: number; targets: Targets };
    host.reach(targets);
    return new BeamMcpEngine(engine, host, options.role ?? "operator");
  }

  private constructor(engine: number, host: EngineHost, role: Role) {
    this.#engine = engine;
    this.#host = host;
    this.#role = role;
  }

  /** Runs a verb for the page or worker itself. */
  async run<Verb extends keyof Verbs>(
    verb: Verb,
    input: Verbs[Verb]["input"],
    options: CallOptions = {},
  ): Promise<Verbs[Verb]["output"]> {
    const call = this.#call({ role: this.#role }, options);
    const handle = wasm.run(this.#engine, verb, JSON.stringify(input), call, randomBytes());
    return (await this.#drive(handle, options.signal)).value as Verbs[Verb]["output"];
  }

  /**
   * Answers an HTTP request: REST, and MCP at `/mcp`. It is cancelled with the request.
   *
   * Callers need a token of the configuration, unless the host is `trusted`.
   */
  async handle(request: Request, options: CallOptions = {}): Promise<Response> {
    const inbound = new Inbound(request);
    const rule = end(wasm.bodyRule(this.#engine, inbound.method, inbound.path)).value as { buffer?: number };
    // What would be staged stays unread: an engine here refuses it.
    const body = rule.buffer === undefined ? new Uint8Array() : await inbound.body(rule.buffer);
    const call = this.#call({ peer: "fetch" }, options);
    const form = inbound.form();
    const forPage = end(wasm.cors(this.#engine, form)).value as Header[];
    if (!body) {
      const refusal = plain(end(wasm.tooLarge(form, rule.buffer!, call, randomBytes(), Date.now())));
      return inbound.whole({ ...refusal, headers: [...refusal.headers, ...forPage] });
    }
    const handle = wasm.handle(this.#engine, form, body, call, randomBytes());
    const run = (emit: Parameters<EngineHost["performer"]>[0], leaving: AbortSignal) =>
      this.#drive(handle, leaving, this.#host.performer(emit));
    return inbound.answer(run, options.signal ?? request.signal, forPage);
  }

  /**
   * Answers a line of MCP, as over standard input: with the line to write, empty for none. Lines that come before it
   * go to `emit`.
   */
  async line(line: string, emit: (line: string) => void = () => undefined, options: CallOptions = {}): Promise<string> {
    const call = this.#call({ role: this.#role }, options);
    const handle = wasm.line(this.#engine, line, call, randomBytes());
    const perform = this.#host.performer((data) => {
      if (options.signal?.aborted) return { reply: "closed" };
      emit(data);
      return { reply: "ok" };
    });
    const { parts } = await this.#drive(handle, options.signal, perform);
    return new TextDecoder().decode(parts[0]);
  }

  /** One round of the reconciler: what is due is looked at. Answers when to come again, in milliseconds. */
  async tick(options: CallOptions = {}): Promise<number> {
    const call = this.#call({ role: "admin", principal: "reconciler" }, options);
    const perform = this.#host.performer(undefined, true);
    const ended = await this.#drive(wasm.tick(this.#engine, call, randomBytes()), options.signal, perform);
    return (ended.value as { again_ms: number }).again_ms;
  }

  /** Ticks whenever it is due or something was committed, until the signal fires. */
  async reconcile(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { committed } = this.#host;
      const again = await this.tick();
      await sleep(again, AbortSignal.any([signal, committed]));
    }
  }

  /** Gives the engine up; calls under way run on. */
  close(): void {
    wasm.destroy(this.#engine);
  }

  #call(who: object, { timeoutMs = this.#host.longestWaitMs + MARGIN, labels }: CallOptions): string {
    return JSON.stringify({ ...callForm(systemClock.mono(), { timeoutMs, labels }), ...who });
  }

  #drive(handle: number, signal: AbortSignal | undefined, perform: Perform = this.#host.performer()): Promise<Ended> {
    return drive(wasm, handle, perform, { signal, waitUntil: this.#host.waitUntil });
  }
}

/**
 * The loop that drives a flow of the core: step, perform the effect, step with its reply.
 *
 * The contract of a host (`core/src/flow.rs`):
 * 1. A flow is first stepped without a reply, then with the reply to the effect it returned last.
 * 2. One effect is outstanding at a time.
 * 3. The monotonic clock never goes backwards inside a flow; the wall clock may jump.
 * 4. `cancelled` may answer any effect; afterwards at most one clean-up request follows, no sleep, no retry.
 * 5. A flow that must finish has committed an intent: it is driven to its end although its caller is gone.
 * 6. Freeing a flow is a hard stop without clean-up.
 */

import { NEVER, limited, untilAborted } from "./abort.js";
import type { Answer, Effect, Perform } from "./effects.js";
import { BeamMcpError, type ErrorObject, cancelled } from "./errors.js";

/** Kind, JSON, and the byte parts the JSON names by number. */
export type Told = [kind: "effect" | "done" | "error", json: string, ...parts: Uint8Array[]];

/** What both wasm modules export. */
export interface Flows {
  step(handle: number, mono: number, wall: number, reply: string | undefined, parts: Uint8Array[]): Told;
  free(handle: number): void;
  mustFinish(handle: number): boolean;
}

/** The times of a step, in milliseconds. */
export interface Clock {
  /** Since any origin; never goes backwards. */
  mono(): number;
  /** Unix time. */
  wall(): number;
}

/** The clock of the machine. */
export const systemClock: Clock = { mono: () => performance.now(), wall: () => Date.now() };

/** How a flow is driven. */
export interface DriveOptions {
  /** Cancels the flow. One that must finish is driven on, only its caller is told. */
  signal?: AbortSignal | undefined;
  clock?: Clock | undefined;
  /** Is given work that goes on without its caller, for hosts that would end before it (`event.waitUntil`). */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined;
}

/** What a flow ended with, and the byte parts it names. */
export interface Ended {
  value: unknown;
  parts: Uint8Array[];
}

const CANCELLED: Answer = { reply: { reply: "cancelled" } };
/** What a cancelled flow may still take for its clean-up, in milliseconds. */
const CLEAN_UP = 10_000;

/** Drives a flow to its end; throws the `BeamMcpError` it ends with. */
export async function drive(flows: Flows, handle: number, perform: Perform, options: DriveOptions): Promise<Ended> {
  const run = new Run(flows, handle, perform, options);
  try {
    return await run.attended();
  } finally {
    run.leave();
  }
}

class Run {
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  #detached = false;

  constructor(
    readonly flows: Flows,
    readonly handle: number,
    readonly perform: Perform,
    readonly options: DriveOptions,
  ) {
    this.#signal = options.signal ?? NEVER;
    this.#clock = options.clock ?? systemClock;
  }

  /** Frees the flow, unless it goes on without its caller. One that has ended is free already. */
  leave(): void {
    if (!this.#detached) this.flows.free(this.handle);
  }

  async attended(): Promise<Ended> {
    let told = this.#step();
    while (told[0] === "effect") {
      if (this.flows.mustFinish(this.handle)) return this.#unattended(told);
      const answer = await this.#unlessCancelled(told);
      told = this.#step(answer);
      if (answer === CANCELLED) return this.#cleanUp(told);
    }
    return end(told);
  }

  #step(answer?: Answer): Told {
    const reply = answer && JSON.stringify(answer.reply);
    return this.flows.step(this.handle, this.#clock.mono(), this.#clock.wall(), reply, answer?.parts ?? []);
  }

  #perform([, json, ...parts]: Told, signal: AbortSignal): Promise<Answer> {
    return this.perform(JSON.parse(json) as Effect, parts, signal);
  }

  /** The effect's answer, or `cancelled`. What must not be torn is waited for; the next effect is cancelled then. */
  async #unlessCancelled([, json, ...parts]: Told): Promise<Answer> {
    const effect = JSON.parse(json) as Effect;
    if (effect.effect === "store" || effect.effect === "publish") return this.perform(effect, parts, NEVER);
    if (this.#signal.aborted) return CANCELLED;
    const answer = this.perform(effect, parts, this.#signal);
    try {
      return await untilAborted(answer, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return CANCELLED;
      throw error;
    }
  }

  async #finish(told: Told, signal: AbortSignal): Promise<Ended> {
    while (told[0] === "effect") told = this.#step(await this.#perform(told, signal));
    return end(told, this.#signal);
  }

  async #cleanUp(told: Told): Promise<Ended> {
    const limit = limited(NEVER, CLEAN_UP, cancelled(this.#signal.reason));
    try {
      return await untilAborted(this.#finish(told, limit.signal), limit.signal);
    } finally {
      limit.stop();
    }
  }

  async #unattended(told: Told): Promise<Ended> {
    this.#detached = true;
    const rest = this.#finish(told, NEVER).finally(() => this.flows.free(this.handle));
    this.options.waitUntil?.(rest.catch(() => undefined));
    try {
      return await untilAborted(rest, this.#signal);
    } catch (error) {
      throw error === this.#signal.reason ? cancelled(error) : error;
    }
  }
}

/** What was told at an end, or by a call that makes no flow. */
export function end([kind, json, ...parts]: Told, signal?: AbortSignal): Ended {
  const value: unknown = JSON.parse(json);
  if (kind === "done") return { value, parts };
  throw new BeamMcpError(value as ErrorObject, signal?.aborted ? { cause: signal.reason } : undefined);
}

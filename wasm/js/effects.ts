/** What the core asks for and what a host answers: the JSON form of `core/src/effect.rs`. */

import type { Op, StoreReply } from "./store.js";

/** Bytes of a body: here always the number of the part that travels beside the JSON. */
export interface Part {
  part: number;
}

/** Name and value; the name in lower case. */
export type Header = [name: string, value: string];

/** One outbound HTTP request. */
export interface HttpRequest {
  /** Name of the target whose address and credential are used. */
  target: string;
  /** Base URL of another server of the target, which the engine has checked. */
  server?: string;
  method: "DELETE" | "GET" | "PATCH" | "POST" | "PUT";
  /** Absolute path with encoded query. */
  path: string;
  headers?: Header[];
  body: Body;
  /** Name of the credential to attach. */
  credential?: string;
  /** Limit on the whole exchange. */
  timeout_ms: number;
  /** Largest body accepted in the answer. */
  max_bytes: number;
  /** Keep only the last `max_bytes` of a larger answer. */
  tail?: boolean;
}

export type Body =
  | "empty"
  | { json: unknown }
  | { form: [name: string, value: string][] }
  | { multipart: { name: string; file_name: string; content_type: string; source: string }[] }
  | { source: string }
  | { raw: Part };

/** One thing a flow asks for. */
export type Effect =
  | ({ effect: "send" } & HttpRequest)
  | { effect: "send_all"; requests: HttpRequest[] }
  | { effect: "sleep"; ms: number }
  | ({ effect: "open" } & HttpRequest)
  | { effect: "read"; stream: number; timeout_ms: number }
  | { effect: "shut"; stream: number }
  | { effect: "ask" | "tell"; method: string; params: unknown }
  | ({ effect: "store" } & Op)
  | { effect: "emit"; data: string }
  | { effect: "publish"; topic: string; payload: string }
  | { effect: "wait"; topics: [name: string, seen: number][]; timeout_ms: number }
  | { effect: "rpc" | "stage" | "launch" | "signal" | "observe" };

/** An effect of one kind. */
export type EffectOf<Kind extends Effect["effect"]> = Extract<Effect, { effect: Kind }>;

export type FaultKind =
  | "refused"
  | "unreachable"
  | "tls"
  | "credential"
  | "unknown_target"
  | "source"
  | "timeout"
  | "reset"
  | "too_large";

export interface HttpAnswer {
  status: number;
  headers: Header[];
  body: Part;
}

export type Outcome = ({ outcome: "response" } & HttpAnswer) | { outcome: "fault"; kind: FaultKind; detail: string };

/** The answer to one effect. */
export type Reply =
  | ({ reply: "response" } & HttpAnswer)
  | { reply: "fault"; kind: FaultKind; detail: string }
  | { reply: "responses"; outcomes: Outcome[] }
  | { reply: "opened"; stream: number; status: number; headers: Header[] }
  | { reply: "piece"; body: Part }
  | { reply: "answer"; value: unknown }
  | ({ reply: "store" } & StoreReply)
  | { reply: "woken"; topics: [name: string, seq: number, payload: string][] }
  | { reply: "elapsed" | "ended" | "ok" | "closed" | "cancelled" }
  | { reply: "unsupported"; reason: string };

/** A reply with the byte parts its JSON names by number. */
export interface Answer {
  reply: Reply;
  parts?: Uint8Array[];
}

/** Performs one effect. It stops early when the signal fires; its answer is of no interest then. */
export type Perform = (effect: Effect, parts: Uint8Array[], signal: AbortSignal) => Promise<Answer>;

/** How a host performs each kind of effect; a kind that is left out is one it cannot do. */
export type Handlers = {
  [Kind in Effect["effect"]]?: (
    effect: EffectOf<Kind>,
    parts: Uint8Array[],
    signal: AbortSignal,
  ) => Answer | Promise<Answer>;
};

/** Performs what the handlers can and answers `unsupported` to the rest. */
export function performer(host: string, handlers: Handlers): Perform {
  return async (effect, parts, signal) => {
    const handler = handlers[effect.effect] as Perform | undefined;
    if (handler) return handler(effect, parts, signal);
    return { reply: { reply: "unsupported", reason: `${host} cannot do \`${effect.effect}\`` } };
  };
}

import type { Ended } from "./drive.js";
import type { Header } from "./effects.js";
import { BeamMcpError } from "./errors.js";
import { Frames } from "./frames.js";
import type { Emit } from "./host.js";
import { joined } from "./http.js";

/** An answer before `fetch`'s rules for bodies apply to it. */
interface Plain {
  status: number;
  headers: Header[];
  body: Uint8Array;
}

/** One request to the engine, and the way back to its sender. */
export class Inbound {
  readonly method: string;
  readonly path: string;
  readonly #isHead: boolean;
  readonly #query: string;

  constructor(readonly request: Request) {
    const url = new URL(request.url);
    this.#isHead = request.method === "HEAD";
    this.method = this.#isHead ? "GET" : request.method;
    this.path = url.pathname;
    this.#query = url.search.slice(1);
  }

  /** The head as the engine reads it. */
  form(): string {
    const { method, path } = this;
    return JSON.stringify({ method, path, query: this.#query, headers: [...this.request.headers] });
  }

  /** The body, `undefined` when it is larger than `most` bytes. */
  async body(most: number): Promise<Uint8Array | undefined> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (const reader = this.request.body?.getReader(); reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      size += chunks.push(value) && value.length;
      if (size <= most) continue;
      reader.cancel().catch(() => undefined);
      return undefined;
    }
    return joined(chunks, size);
  }

  /**
   * The response: whole when `drive` ends without a frame, a stream as soon as it emits one, whose head has `forPage`.
   */
  async answer(
    drive: (emit: Emit, leaving: AbortSignal) => Promise<Ended>,
    signal: AbortSignal,
    forPage: Header[],
  ): Promise<Response> {
    const leaving = new AbortController();
    const leave = () => leaving.abort(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    let frames: Frames | undefined;
    const ended = new Promise<Response>((resolve, reject) => {
      const emit: Emit = (data, signal) => {
        if (!frames) {
          frames = new Frames(leave, forPage);
          resolve(frames.response);
        }
        return frames.emit(data, signal);
      };
      drive(emit, leaving.signal)
        .then(plain, told)
        .then(async (last) => (frames ? frames.end(new TextDecoder().decode(last.body)) : resolve(this.whole(last))))
        .catch((error: unknown) => (frames ? frames.fail(error) : reject(error)))
        .finally(() => signal.removeEventListener("abort", leave));
    });
    return ended;
  }

  /** An answer in one piece; that to a HEAD without its body. */
  whole({ status, headers, body }: Plain): Response {
    const isEmpty = this.#isHead || body.length === 0;
    return new Response(isEmpty ? null : (body as BodyInit), { status, headers });
  }
}

/** What a flow that answers ended with. */
export function plain({ value, parts }: Ended): Plain {
  const { status, headers = [] } = value as { status: number; headers?: Header[] };
  return { status, headers, body: parts[0] ?? new Uint8Array() };
}

/** The answer for a flow that ended without one. */
function told(error: unknown): Plain {
  if (!(error instanceof BeamMcpError)) throw error;
  const { message, http: status, code, details, retryable } = error;
  const body = { success: false, message, data: {}, error: { code, message, details, retryable } };
  const headers: Header[] = [
    ["content-type", "application/json"],
    ["cache-control", "no-store"],
  ];
  return { status, headers, body: new TextEncoder().encode(JSON.stringify(body)) };
}

/** Requests by `fetch`: one request, one answer, nothing repeated, nothing followed. */

import { limited, untilAborted } from "./abort.js";
import type { Credential } from "./credential.js";
import type { Answer, Body, FaultKind, Header, HttpRequest, Outcome } from "./effects.js";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Where a target is, and what opens it. */
export interface Endpoint {
  /** Base URL; a path of its own comes before that of each request. */
  url: string;
  credential?: Credential | undefined;
}

/** Bytes a body may name. */
export type Sources = ReadonlyMap<string, Blob | Uint8Array>;

const NO_SOURCES: Sources = new Map();
/** Requests of one `send_all` under way at once. */
const SIDE_BY_SIDE = 8;

class Fault extends Error {
  constructor(
    readonly kind: FaultKind,
    readonly detail = "",
  ) {
    super(kind);
  }
}

/** What came of a request, and the body of its answer. */
type Exchange = { outcome: Outcome; bytes?: Uint8Array };

/** The way to every target. */
export class Sender {
  constructor(
    readonly endpoint: (target: string) => Endpoint | undefined,
    readonly fetch: Fetch,
  ) {}

  /** Answers a `send`. */
  async send(request: HttpRequest, parts: Uint8Array[], signal: AbortSignal, sources = NO_SOURCES): Promise<Answer> {
    const { outcome, bytes } = await this.#exchange(request, parts, signal, sources);
    const { outcome: reply, ...rest } = outcome;
    return { reply: { reply, ...rest } as Answer["reply"], parts: bytes ? [bytes] : [] };
  }

  /** Answers a `send_all`: outcomes in the order of the requests. */
  async sendAll(requests: HttpRequest[], parts: Uint8Array[], signal: AbortSignal): Promise<Answer> {
    const exchanges: Exchange[] = [];
    let next = 0;
    const work = async () => {
      for (let index = next++; index < requests.length; index = next++) {
        exchanges[index] = await this.#exchange(requests[index]!, parts, signal, NO_SOURCES);
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    const bodies: Uint8Array[] = [];
    const outcomes = exchanges.map(({ outcome, bytes }) =>
      outcome.outcome === "response" ? { ...outcome, body: { part: bodies.push(bytes!) - 1 } } : outcome,
    );
    return { reply: { reply: "responses", outcomes }, parts: bodies };
  }

  /** The head of the answer to an `open`, whose body is read or cancelled by the caller; throws what `fault` tells. */
  open(request: HttpRequest, parts: Uint8Array[], signal: AbortSignal): Promise<Response> {
    return within(request.timeout_ms, signal, (limit) => this.#authorized(request, parts, limit, NO_SOURCES));
  }

  async #exchange(
    request: HttpRequest,
    parts: Uint8Array[],
    signal: AbortSignal,
    sources: Sources,
  ): Promise<Exchange> {
    try {
      return await within(request.timeout_ms, signal, async (limit) => {
        const answer = await this.#authorized(request, parts, limit, sources);
        const { status, headers } = answer;
        const bytes = await read(answer, request);
        return { outcome: { outcome: "response", status, headers: [...headers], body: { part: 0 } }, bytes };
      });
    } catch (error) {
      return { outcome: { outcome: "fault", ...fault(error) } };
    }
  }

  async #authorized(
    request: HttpRequest,
    parts: Uint8Array[],
    signal: AbortSignal,
    sources: Sources,
  ): Promise<Response> {
    const endpoint = this.endpoint(request.target);
    if (!endpoint) throw new Fault("unknown_target");
    const init = { method: request.method, signal, ...content(request, parts, sources) };
    const once = (extra: Header[]) => this.#once(address(request.server ?? endpoint.url, request.path), init, extra);
    const credential = request.credential === undefined ? undefined : endpoint.credential;
    if (!credential) return once([]);
    const header = await attached(credential.header());
    const answer = await once([header]);
    if (answer.status !== 401) return answer;
    const renewed = await credential.renew(header).catch(() => undefined);
    if (!renewed) return answer;
    answer.body?.cancel().catch(() => undefined);
    return once([renewed]);
  }

  async #once(url: string, init: RequestInit & Content, extra: Header[]): Promise<Response> {
    const answer = await this.fetch(url, { ...POLICY, ...init, headers: [...init.headers, ...extra] });
    if (answer.type !== "opaqueredirect") return answer;
    throw new Fault("reset", "the answer is a redirect, which is not followed");
  }
}

/** What the work gives in its time. */
async function within<T>(ms: number, signal: AbortSignal, work: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const limit = limited(signal, ms, new Fault("timeout"));
  try {
    return await untilAborted(work(limit.signal), limit.signal);
  } finally {
    limit.stop();
  }
}

const POLICY: RequestInit = {
  redirect: "manual",
  credentials: "omit",
  cache: "no-store",
  referrerPolicy: "no-referrer",
};

async function attached(header: Promise<Header>): Promise<Header> {
  try {
    return await header;
  } catch {
    throw new Fault("credential", "its secret cannot be had");
  }
}

/** The URL, exactly as configured and asked for: a path that parsing would change is refused. */
function address(base: string, path: string): string {
  const text = base.replace(/\/+$/, "") + path;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && path.startsWith("/") && url.href.endsWith(path)) return url.href;
  throw new Fault("unknown_target", "not a URL in its plain form");
}

interface Content {
  headers: Header[];
  body?: BodyInit;
}

function content(request: HttpRequest, parts: Uint8Array[], sources: Sources): Content {
  const headers = [...(request.headers ?? [])];
  const [type, body] = encoded(request.body, parts, sources);
  if (type && !headers.some(([name]) => name === "content-type")) headers.push(["content-type", type]);
  return body === undefined ? { headers } : { headers, body };
}

/** Media type, where the kind of body decides it and `fetch` does not, and the bytes. */
function encoded(body: Body, parts: Uint8Array[], sources: Sources): [type?: string | undefined, body?: BodyInit] {
  if (body === "empty") return [];
  if ("json" in body) return ["application/json", JSON.stringify(body.json)];
  if ("form" in body) return ["application/x-www-form-urlencoded", form(body.form)];
  if ("raw" in body) return [undefined, parts[body.raw.part] as BodyInit];
  if ("source" in body) return ["application/octet-stream", source(body.source, sources) as BodyInit];
  const data = new FormData();
  for (const part of body.multipart) {
    const bytes = source(part.source, sources) as BlobPart;
    data.append(part.name, new Blob([bytes], { type: part.content_type }), part.file_name);
  }
  return [undefined, data];
}

function form(pairs: [string, string][]): string {
  return pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}

function source(name: string, sources: Sources): Blob | Uint8Array {
  const bytes = sources.get(name);
  if (!bytes) throw new Fault("source", "no such source");
  return bytes;
}

/** The body, of at most `max_bytes`; a larger one is refused or, with `tail`, cut at its front. */
async function read(answer: Response, { max_bytes: most, tail = false }: HttpRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (const reader = answer.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
    if (size > most && !tail) {
      reader.cancel().catch(() => undefined);
      throw new Fault("too_large");
    }
    while (chunks.length > 1 && size - chunks[0]!.length >= most) size -= chunks.shift()!.length;
  }
  return joined(chunks, size).subarray(Math.max(0, size - most));
}

export function joined(chunks: Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Codes of Node's errors. A browser tells none: then the request may have arrived. */
const KINDS: [FaultKind, RegExp][] = [
  ["refused", /^ECONNREFUSED$/],
  ["unreachable", /^(ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN|UND_ERR_CONNECT_TIMEOUT)$/],
  ["tls", /CERT|^ERR_TLS|^ERR_SSL|^EPROTO$/],
];

/** What went wrong with an exchange, in the core's words. */
export function fault(error: unknown): { kind: FaultKind; detail: string } {
  if (error instanceof Fault) return { kind: error.kind, detail: error.detail };
  const code = String((error as { cause?: { code?: unknown } } | undefined)?.cause?.code ?? "");
  return { kind: KINDS.find(([, pattern]) => pattern.test(code))?.[0] ?? "reset", detail: code };
}

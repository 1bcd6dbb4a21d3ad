import { sleep } from "./abort.js";
import { type Credential, credential } from "./credential.js";
import { type Answer, type EffectOf, type Perform, type Reply, performer } from "./effects.js";
import { type Endpoint, type Fetch, Sender } from "./http.js";
import { MemoryStore, type Store } from "./store.js";
import { Topics } from "./topics.js";

/** What an engine is given by its page or worker. */
export interface HostOptions {
  /** Where jobs are kept; default: in memory. */
  store?: Store;
  /** In place of the global `fetch`, for the calls to runners. */
  fetch?: Fetch;
  /** The secret behind a reference of the configuration: `env:NAME`, `file:PATH`, or `token:` and the kind of a token's source. */
  secrets?: (reference: string) => string | Promise<string>;
  /** Only the page itself can reach `handle`, so requests need no token; default false. */
  trusted?: boolean;
  /** Longest a caller is kept waiting for a savepoint, scale or cancel; default 25 s. */
  longestWaitMs?: number;
  /** Is given work that must not end with its caller (`event.waitUntil`). */
  waitUntil?: (work: Promise<unknown>) => void;
}

/** What the engine says about each target. */
export type Targets = Record<string, { url: string | null; credential: CredentialRef | null }>;

interface CredentialRef {
  header: string | null;
  prefix: string | null;
  secret: string | null;
  token: string | Record<string, unknown> | null;
}

/** Takes a frame of a streamed answer. */
export type Emit = (data: string, signal: AbortSignal) => Reply | Promise<Reply>;

const NO_STREAM: Reply = { reply: "unsupported", reason: "this caller takes no frames" };
const ELAPSED: Answer = { reply: { reply: "elapsed" } };
const OK: Answer = { reply: { reply: "ok" } };

/** Performs what an engine asks for: everything but files and processes. */
export class EngineHost {
  readonly longestWaitMs: number;
  readonly waitUntil: HostOptions["waitUntil"];
  readonly #trusted: boolean;
  readonly #store: Store;
  readonly #topics = new Topics();
  readonly #secrets: HostOptions["secrets"];
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #sender: Sender;
  #committed = new AbortController();

  constructor(options: HostOptions) {
    this.longestWaitMs = options.longestWaitMs ?? 25_000;
    this.waitUntil = options.waitUntil;
    this.#trusted = options.trusted ?? false;
    this.#store = options.store ?? new MemoryStore();
    this.#secrets = options.secrets;
    const send: Fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#sender = new Sender((target) => this.#endpoints.get(target), send);
  }

  /** The host as the engine reads it. */
  form(): object {
    return {
      kind: "wasm",
      loopback_only: this.#trusted,
      authorities: [],
      durable: this.#store.durable,
      longest_wait_ms: this.longestWaitMs,
      streams: true,
    };
  }

  /** Takes the addresses of the targets. */
  reach(targets: Targets): void {
    for (const [name, { url, credential: reference }] of Object.entries(targets)) {
      if (url !== null) this.#endpoints.set(name, { url, credential: reference ? this.#credential(reference) : undefined });
    }
  }

  #credential({ header, prefix, secret, token }: CredentialRef): Credential {
    // A token is the page's to fetch: it is asked for by the kind of its source, such as `token:google_default`.
    const kind = typeof token === "string" ? token : Object.keys(token ?? {})[0];
    const reference = secret ?? `token:${kind}`;
    const read = () => {
      if (this.#secrets) return this.#secrets(reference);
      throw new Error("the engine was given no `secrets`");
    };
    return credential(header ?? "authorization", prefix ?? (secret === null ? "Bearer " : ""), read);
  }

  /** Fires with the next commit that is not the reconciler's own. */
  get committed(): AbortSignal {
    return this.#committed.signal;
  }

  /** Performs the effects of one caller; `emit` takes their frames. */
  performer(emit: Emit = () => NO_STREAM, isReconciler = false): Perform {
    return performer("an engine in WebAssembly", {
      send: (request, parts, signal) => this.#sender.send(request, parts, signal),
      send_all: ({ requests }, parts, signal) => this.#sender.sendAll(requests, parts, signal),
      sleep: async ({ ms }, _, signal) => {
        await sleep(ms, signal);
        return ELAPSED;
      },
      store: async (op) => ({ reply: await this.#perform(op, isReconciler) }),
      emit: async ({ data }, _, signal) => ({ reply: await emit(data, signal) }),
      publish: ({ topic, payload }) => {
        this.#topics.publish(topic, payload);
        return OK;
      },
      wait: async ({ topics, timeout_ms }, _, signal) => {
        const moved = await this.#topics.wait(topics, timeout_ms, signal);
        return moved.length > 0 ? { reply: { reply: "woken", topics: moved } } : ELAPSED;
      },
    });
  }

  /** A store operation; a commit announces the records it wrote. */
  async #perform({ effect: reply, ...op }: EffectOf<"store">, isReconciler: boolean): Promise<Reply> {
    try {
      const answer = await this.#store.perform(op);
      if (op.op === "commit" && answer.store === "committed") {
        for (const { key } of op.writes) this.#topics.publish(`${key.kind}/${key.id}`);
        if (!isReconciler) this.#ring();
      }
      return { reply, ...answer };
    } catch (error) {
      return { reply, store: "failed", reason: String(error).slice(0, 200) };
    }
  }

  #ring(): void {
    const bell = this.#committed;
    this.#committed = new AbortController();
    bell.abort();
  }
}

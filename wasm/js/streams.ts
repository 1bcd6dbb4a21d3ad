import { limited, untilAborted } from "./abort.js";
import type { Answer, HttpRequest } from "./effects.js";
import { type Sender, fault } from "./http.js";

const ELAPSED: Answer = { reply: { reply: "elapsed" } };
const ENDED: Answer = { reply: { reply: "ended" } };
const OK: Answer = { reply: { reply: "ok" } };

type Read = { done: boolean; value?: Uint8Array | undefined };

/** The answers that one flow reads as they arrive. */
export class Streams {
  readonly #open = new Map<number, Stream>();
  #last = 0;

  constructor(readonly sender: Sender) {}

  /** Answers an `open`. */
  async open(request: HttpRequest, parts: Uint8Array[], signal: AbortSignal): Promise<Answer> {
    try {
      const { status, headers, body } = await this.sender.open(request, parts, signal);
      this.#open.set(++this.#last, new Stream(body));
      return { reply: { reply: "opened", stream: this.#last, status, headers: [...headers] } };
    } catch (error) {
      return { reply: { reply: "fault", ...fault(error) } };
    }
  }

  /** Answers a `read`. */
  async read(stream: number, ms: number, signal: AbortSignal): Promise<Answer> {
    return this.#open.get(stream)?.read(ms, signal) ?? ENDED;
  }

  /** Answers a `shut`. */
  shut(stream: number): Answer {
    this.#open.get(stream)?.shut();
    this.#open.delete(stream);
    return OK;
  }

  /** Ends what the flow left open. */
  close(): void {
    for (const stream of this.#open.keys()) this.shut(stream);
  }
}

/** The body of one answer. */
class Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Outlives a read that ran its time: the next one takes it over. */
  #next: Promise<Read> | undefined;

  constructor(body: ReadableStream<Uint8Array> | null) {
    this.#reader = body?.getReader();
  }

  async read(ms: number, signal: AbortSignal): Promise<Answer> {
    const limit = limited(signal, ms, ELAPSED);
    try {
      for (let read = await this.#piece(limit.signal); !read.done; read = await this.#piece(limit.signal)) {
        if (read.value?.length) return { reply: { reply: "piece", body: { part: 0 } }, parts: [read.value] };
      }
      return ENDED;
    } catch (error) {
      return error === ELAPSED ? ELAPSED : { reply: { reply: "fault", ...fault(error) } };
    } finally {
      limit.stop();
    }
  }

  async #piece(signal: AbortSignal): Promise<Read> {
    this.#next ??= this.#reader?.read() ?? Promise.resolve({ done: true });
    const read = await untilAborted(this.#next, signal);
    this.#next = undefined;
    return read;
  }

  shut(): void {
    this.#reader?.cancel().catch(() => undefined);
  }
}

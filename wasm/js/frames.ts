import { NEVER, untilAborted } from "./abort.js";
import type { Header, Reply } from "./effects.js";

/** Silence on a stream after which a comment is sent, in milliseconds. */
const KEEP_ALIVE = 15_000;
/** Frames a reader may be behind before the flow waits for it. */
const MOST_WAITING = 64;

const COMMENT = ": \n\n";

/** Frames of a flow as server-sent events, for one reader. */
export class Frames {
  readonly response: Response;
  readonly #gone = new AbortController();
  readonly #stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #room: () => void = () => undefined;
  readonly #silence: ReturnType<typeof setInterval>;

  /** `left` is called when the reader goes away before the end. */
  constructor(left: () => void, headers: Header[]) {
    this.#stream = new ReadableStream(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#room(),
        cancel: () => {
          this.#leave();
          left();
        },
      },
      { highWaterMark: MOST_WAITING },
    );
    this.response = new Response(this.#stream, {
      headers: [
        ["content-type", "text/event-stream"],
        ["cache-control", "no-store"],
        ["x-accel-buffering", "no"],
        ...headers,
      ],
    });
    this.#silence = setInterval(() => this.#write(COMMENT), KEEP_ALIVE);
  }

  /** Sends one frame, once there is room for it. */
  async emit(data: string, signal: AbortSignal = NEVER): Promise<Reply> {
    if (!this.#gone.signal.aborted && this.#controller.desiredSize! <= 0) {
      const room = new Promise<void>((resolve) => (this.#room = resolve));
      await untilAborted(untilAborted(room, this.#gone.signal), signal).catch(() => undefined);
    }
    if (this.#gone.signal.aborted) return { reply: "closed" };
    this.#write(event(data));
    return { reply: "ok" };
  }

  /** Sends the last frame, unless it is empty, and ends the stream. */
  async end(data: string): Promise<void> {
    if (data !== "") await this.emit(data);
    if (this.#gone.signal.aborted) return;
    clearInterval(this.#silence);
    this.#controller.close();
  }

  /** Breaks the stream off. */
  fail(error: unknown): void {
    if (this.#gone.signal.aborted) return;
    this.#leave();
    this.#controller.error(error);
  }

  #write(text: string): void {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  #leave(): void {
    clearInterval(this.#silence);
    this.#gone.abort();
  }
}

/**
 * One event; a line break in its data would end it early, so each line gets its own field. Without data a comment,
 * which readers pass over.
 */
function event(data: string): string {
  if (data === "") return COMMENT;
  return `${data
    .split(/[\n\r]/)
    .map((line) => `data: ${line}\n`)
    .join("")}\n`;
}

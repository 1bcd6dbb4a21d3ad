/** Topics: hints that something moved. What is true is re-read from the store. */

import { sleep } from "./abort.js";

/** Topics remembered while nobody waits for them. */
const MOST_TOPICS = 4096;
/** Characters of payload remembered in all. */
const MOST_PAYLOADS = 4 << 20;
/** Longest payload; a longer one is left out and the topic moves without it. */
const LONGEST_PAYLOAD = 64 << 10;

/** Topics that moved: name, sequence number, payload. */
export type Moved = [name: string, seq: number, payload: string][];

interface Topic {
  seq: number;
  payload: string;
  waiters: Set<() => void>;
}

/**
 * All topics of an engine.
 *
 * One sequence number counts over all of them. What is forgotten raises the floor: who saw less than the floor of a
 * forgotten topic is woken once for nothing, and never misses a move.
 */
export class Topics {
  #seq = 0;
  #floor = 0;
  #size = 0;
  readonly #topics = new Map<string, Topic>();
  /** Names of topics that moved, the one that did longest ago first. */
  readonly #byAge = new Set<string>();

  /** Moves a topic. */
  publish(name: string, payload = ""): void {
    const topic = this.#topic(name, 0);
    const kept = payload.length > LONGEST_PAYLOAD ? "" : payload;
    this.#size += kept.length - topic.payload.length;
    topic.seq = ++this.#seq;
    topic.payload = kept;
    this.#byAge.delete(name);
    this.#byAge.add(name);
    for (const wake of topic.waiters) wake();
    this.#forget();
  }

  /** What moves past what was seen of it (0: nothing was) within a time; empty when nothing does. */
  async wait(seen: [name: string, seq: number][], ms: number, signal: AbortSignal): Promise<Moved> {
    const bell = new AbortController();
    const wake = () => bell.abort();
    signal.addEventListener("abort", wake, { once: true });
    for (const [name] of seen) this.#topic(name, this.#floor).waiters.add(wake);
    try {
      const moved = this.#moved(seen);
      if (moved.length > 0 || signal.aborted) return moved;
      await sleep(ms, bell.signal);
      return this.#moved(seen);
    } finally {
      signal.removeEventListener("abort", wake);
      for (const [name] of seen) this.#leave(name, wake);
    }
  }

  #topic(name: string, seq: number): Topic {
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { seq, payload: "", waiters: new Set() };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #moved(seen: [name: string, seq: number][]): Moved {
    return seen.flatMap(([name, last]): Moved => {
      const topic = this.#topics.get(name);
      return topic && topic.seq > last ? [[name, topic.seq, topic.payload]] : [];
    });
  }

  #leave(name: string, wake: () => void): void {
    const topic = this.#topics.get(name);
    topic?.waiters.delete(wake);
    if (topic?.waiters.size === 0 && !this.#byAge.has(name)) this.#topics.delete(name);
  }

  #forget(): void {
    for (const name of this.#byAge) {
      if (this.#byAge.size <= MOST_TOPICS && this.#size <= MOST_PAYLOADS) return;
      const topic = this.#topics.get(name)!;
      this.#byAge.delete(name);
      this.#floor = topic.seq;
      this.#size -= topic.payload.length;
      topic.payload = "";
      if (topic.waiters.size === 0) this.#topics.delete(name);
    }
  }
}

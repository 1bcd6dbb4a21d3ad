/** What one side puts in and the other takes out, in order; who puts waits until it was taken. */
export class Mailbox<T> {
  readonly #waiting: { item: T; taken: () => void }[] = [];
  #end: (() => void) | undefined;
  #wake: () => void = () => undefined;

  /** Resolves when the item was taken. */
  put(item: T): Promise<void> {
    const taken = new Promise<void>((resolve) => this.#waiting.push({ item, taken: resolve }));
    this.#wake();
    return taken;
  }

  /** Ends the taking after what is waiting, with an error where there was one. */
  end(error?: unknown): void {
    this.#end = () => {
      if (error !== undefined) throw error;
    };
    this.#wake();
  }

  /** Takes until the end. */
  async *take(): AsyncGenerator<T, void> {
    for (;;) {
      const first = this.#waiting.shift();
      if (first) {
        yield first.item;
        first.taken();
      } else if (this.#end) {
        return this.#end();
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}

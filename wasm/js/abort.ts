/** The longest a timer of JavaScript can run: about 25 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A signal that never fires. */
export const NEVER: AbortSignal = new AbortController().signal;

/** What a promise gives, or a rejection with the signal's reason as soon as that fires. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Resolves after a time, or at once when the signal fires. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout>;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const wait = (left: number) => {
      const now = Math.min(left, LONGEST_TIMER);
      timer = setTimeout(() => (left > now ? wait(left - now) : end()), now);
    };
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", end, { once: true });
    wait(ms);
  });
}

/** A signal that fires after a time or with another one, and the way to stop its timer. */
export function limited(signal: AbortSignal, ms: number, reason: unknown): { signal: AbortSignal; stop(): void } {
  const own = new AbortController();
  const abort = () => own.abort(signal.reason);
  const timer = setTimeout(() => own.abort(reason), Math.min(ms, LONGEST_TIMER));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const stop = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  };
  return { signal: own.signal, stop };
}

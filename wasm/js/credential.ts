import type { Header } from "./effects.js";

/** A secret that goes into a header of every request of one target. */
export interface Credential {
  /** The header. Throws when the secret cannot be had. */
  header(): Promise<Header>;
  /** The header after this one was refused with 401; `undefined` when there is no other. */
  renew(refused: Header): Promise<Header | undefined>;
}

/** A credential whose secret is read on first use and again after a refusal, by one reader at a time. */
export function credential(name: string, prefix: string, read: () => string | Promise<string>): Credential {
  let kept: Promise<Header> | undefined;
  const fresh = () => {
    const reading = Promise.resolve()
      .then(read)
      .then((secret): Header => [name, prefix + secret]);
    reading.catch(() => {
      if (kept === reading) kept = undefined;
    });
    return reading;
  };
  const header = () => (kept ??= fresh());
  const renew = async (refused: Header) => {
    // Another call may have renewed it since the refused header was taken.
    const now = await header();
    if (now[1] !== refused[1]) return now;
    kept = fresh();
    const next = await kept;
    return next[1] === refused[1] ? undefined : next;
  };
  return { header, renew };
}

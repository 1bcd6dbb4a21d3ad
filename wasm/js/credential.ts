import type { Header } from "./effects.js";
import { invalid } from "./errors.js";

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

/** A secret, or what gives one. It is asked again when the server refuses the last one with 401. */
export type Secret = string | (() => string | Promise<string>);

/** What opens a server to its callers. */
export interface Secrets {
  /** Sent as `Authorization: Bearer`. */
  token?: Secret;
  /** Sent as `X-API-Key`; not beside a token. */
  apiKey?: Secret;
}

/** The credential of a caller; `undefined` for one without a secret. */
export function secret({ token, apiKey }: Secrets): Credential | undefined {
  const read = (secret: Secret) => (typeof secret === "string" ? () => secret : secret);
  if (token !== undefined && apiKey !== undefined) throw invalid("two_secrets", "give a token or an API key, not both");
  if (token !== undefined) return credential("authorization", "Bearer ", read(token));
  return apiKey === undefined ? undefined : credential("x-api-key", "", read(apiKey));
}

/** The store as the core sees it: keyed records, ordered scans, all-or-nothing commits (`core/src/store/op.rs`). */

/** Name of a record. Order within tenant and kind is the order of the bytes of `id` in UTF-8. */
export interface Key {
  tenant: string;
  kind: string;
  /** 1 to 512 bytes. */
  id: string;
}

/** What a record holds. */
export interface Put {
  /** Version of the shape of `value`. */
  schema: number;
  /** Unix time in milliseconds after which the record counts as absent. Readers compare; stores may delete late. */
  expires_at?: number | null;
  /** JSON text of at most 256 KiB. */
  value: string;
}

export interface StoredRecord extends Put {
  key: Key;
  /** Starts at 1 and grows by 1 with each write; a deleted and rewritten record starts again. */
  version: number;
  /** Id of the commit that wrote it. */
  op: string;
  expires_at: number | null;
}

export interface Scan {
  /** `*` scans all tenants as one order. */
  tenant: string;
  kind: string;
  /** Only ids that start with this. */
  prefix: string;
  /** Only ids after this one in scan order. */
  after: string | null;
  /** Most records to return, 1 to 200. */
  limit: number;
  /** Last id first. */
  descending: boolean;
}

/** What must be there before a write. */
export type Expect = "any" | "absent" | { version: number };

export interface Write {
  key: Key;
  expect: Expect;
  /** The new content; `null` deletes. */
  put: Put | null;
}

/** Writes made together or not at all. */
export interface Commit {
  /** Making the same commit again is success. */
  op_id: string;
  /** At most 20, no two of one key. */
  writes: Write[];
}

export type Op =
  | { op: "get"; key: Key }
  | ({ op: "scan" } & Scan)
  | ({ op: "commit" } & Commit);

export type StoreReply =
  | { store: "record"; record: StoredRecord | null }
  | { store: "page"; records: StoredRecord[] }
  /** New version of each written record, in order; 0 for a deleted one. */
  | { store: "committed"; versions: number[] }
  /** Index of the first write that did not fit, and what is there. */
  | { store: "conflict"; index: number; current: StoredRecord | null }
  /** It cannot answer; a commit may or may not have been made. */
  | { store: "failed"; reason: string };

/** A store. A rejected promise is a store that cannot answer. */
export interface Store {
  /** True when records outlive the page or worker. */
  readonly durable: boolean;
  perform(op: Op): StoreReply | Promise<StoreReply>;
}

const ALL_TENANTS = "*";
const MOST_WRITES = 20;
const LONGEST_VALUE = 256 << 10;
const LONGEST_ID = 512;
const LARGEST_PAGE = 200;

/** Ids of a kind and tenant in the order of their bytes. */
interface Shelf {
  kind: string;
  tenant: string;
  ids: string[];
  records: Map<string, StoredRecord>;
}

/** Records in memory, gone with the page. */
export class MemoryStore implements Store {
  readonly durable = false;
  readonly #shelves = new Map<string, Shelf>();
  readonly #most: number;
  #size = 0;

  /** A store that refuses to grow past this many characters of ids and values. */
  constructor(most = 64 << 20) {
    this.#most = most;
  }

  perform(op: Op): StoreReply {
    const broken = brokenLimit(op);
    if (broken) return { store: "failed", reason: broken };
    if (op.op === "get") return { store: "record", record: this.#get(op.key) };
    return op.op === "scan" ? { store: "page", records: this.#scan(op) } : this.#commit(op);
  }

  /** Deletes what expired before a Unix time in milliseconds; how many records that were. */
  purge(before: number): number {
    const gone = [...this.#shelves.values()]
      .flatMap(({ records }) => [...records.values()])
      .filter(({ expires_at }) => expires_at !== null && expires_at < before);
    for (const { key } of gone) this.#remove(key);
    return gone.length;
  }

  #get(key: Key): StoredRecord | null {
    return this.#shelves.get(shelfName(key))?.records.get(key.id) ?? null;
  }

  #scan(scan: Scan): StoredRecord[] {
    const fits = ({ kind, tenant }: Shelf) =>
      kind === scan.kind && (scan.tenant === ALL_TENANTS || tenant === scan.tenant);
    const pages = [...this.#shelves.values()].filter(fits).map((shelf) => page(shelf, scan));
    if (pages.length < 2) return pages[0] ?? [];
    const order = (a: StoredRecord, b: StoredRecord) =>
      compare(a.key.id, b.key.id) || compare(a.key.tenant, b.key.tenant);
    const all = pages.flat().sort(scan.descending ? (a, b) => order(b, a) : order);
    return all.slice(0, scan.limit);
  }

  #commit(commit: Commit): StoreReply {
    const stored = commit.writes.map(({ key }) => this.#get(key));
    const verdict = judge(commit, stored);
    if ("conflict" in verdict) {
      return { store: "conflict", index: verdict.conflict, current: stored[verdict.conflict] ?? null };
    }
    if (!verdict.made) {
      if (this.#size + weight(commit) > this.#most) return { store: "failed", reason: "memory_full" };
      commit.writes.forEach((write, index) => this.#write(commit.op_id, write, verdict.versions[index]!));
    }
    return { store: "committed", versions: verdict.versions };
  }

  #write(op: string, { key, put }: Write, version: number): void {
    this.#remove(key);
    if (!put) return;
    const { schema, expires_at = null, value } = put;
    const name = shelfName(key);
    let shelf = this.#shelves.get(name);
    if (!shelf) {
      shelf = { kind: key.kind, tenant: key.tenant, ids: [], records: new Map() };
      this.#shelves.set(name, shelf);
    }
    shelf.ids.splice(place(shelf.ids, key.id), 0, key.id);
    shelf.records.set(key.id, { key, version, op, schema, expires_at, value });
    this.#size += key.id.length + value.length;
  }

  #remove(key: Key): void {
    const shelf = this.#shelves.get(shelfName(key));
    const record = shelf?.records.get(key.id);
    if (!shelf || !record) return;
    shelf.records.delete(key.id);
    shelf.ids.splice(place(shelf.ids, key.id), 1);
    this.#size -= key.id.length + record.value.length;
  }
}

function shelfName({ kind, tenant }: Key): string {
  return JSON.stringify([kind, tenant]);
}

function page({ ids, records }: Shelf, { prefix, after, limit, descending }: Scan): StoredRecord[] {
  const found: StoredRecord[] = [];
  const step = descending ? -1 : 1;
  for (let at = start(ids, prefix, after, descending); found.length < limit; at += step) {
    const id = ids[at];
    if (id === undefined || !id.startsWith(prefix)) break;
    found.push(records.get(id)!);
  }
  return found;
}

/** Index of the first id of a scan. */
function start(ids: string[], prefix: string, after: string | null, descending: boolean): number {
  if (!descending) {
    const first = place(ids, prefix);
    return after === null ? first : Math.max(first, past(ids, after));
  }
  const last = lastOf(ids, prefix);
  return after === null ? last : Math.min(last, place(ids, after) - 1);
}

/** Index of the last id that starts with the prefix, or of the one before where none does. */
function lastOf(ids: string[], prefix: string): number {
  return search(ids, (id) => compare(id, prefix) < 0 || id.startsWith(prefix)) - 1;
}

/** Index of the first id that is not before this one. */
function place(ids: string[], id: string): number {
  return search(ids, (other) => compare(other, id) < 0);
}

/** Index of the first id after this one. */
function past(ids: string[], id: string): number {
  return search(ids, (other) => compare(other, id) <= 0);
}

/** How many of the first ids hold a condition that no later one holds again. */
function search(ids: string[], holds: (id: string) => boolean): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(ids[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The order of the bytes in UTF-8, which is that of the code points and not that of JavaScript's strings. */
function compare(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  for (let at = 0; at < most; at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return codePoint(a, at) - codePoint(b, at);
  }
  return a.length - b.length;
}

/** The code point at an index; that of the whole pair where the index is at its second half. */
function codePoint(text: string, at: number): number {
  const isSecondHalf = (text.charCodeAt(at) & 0xfc00) === 0xdc00 && at > 0;
  return text.codePointAt(isSecondHalf ? at - 1 : at)!;
}

type Verdict = { versions: number[]; made: boolean } | { conflict: number };

/**
 * Judges a commit by what is stored under its keys.
 *
 * It counts as made before only when every write that does not fit is itself the cause: a record that another commit
 * has moved on since is a conflict, so that a permit taken long ago is not taken for a fresh one.
 */
function judge({ op_id, writes }: Commit, stored: (StoredRecord | null)[]): Verdict {
  const misfits = writes.flatMap((write, index) => (fits(write, stored[index]!) ? [] : [index]));
  const version = (write: Write, index: number, more: number) =>
    write.put ? (stored[index]?.version ?? 0) + more : 0;
  if (misfits.length === 0) {
    return { made: false, versions: writes.map((write, index) => version(write, index, 1)) };
  }
  const ours = (index: number) => {
    const record = stored[index];
    return record ? record.op === op_id : writes[index]!.put === null;
  };
  const foreign = misfits.find((index) => !ours(index));
  if (foreign !== undefined) return { conflict: foreign };
  if (!stored.some((record) => record?.op === op_id)) return { conflict: misfits[0]! };
  return { made: true, versions: writes.map((write, index) => version(write, index, 0)) };
}

function fits({ expect }: Write, record: StoredRecord | null): boolean {
  if (expect === "any") return true;
  return expect === "absent" ? record === null : record?.version === expect.version;
}

function weight({ writes }: Commit): number {
  return writes.reduce((sum, { key, put }) => sum + (put ? key.id.length + put.value.length : 0), 0);
}

/** The machine word of the limit an operation breaks. */
function brokenLimit(op: Op): string | undefined {
  if (op.op === "scan" && !(op.limit >= 1 && op.limit <= LARGEST_PAGE)) return "bad_page_size";
  if (op.op !== "commit") return undefined;
  if (op.writes.length > MOST_WRITES) return "too_many_writes";
  const names = new Set(op.writes.map(({ key }) => JSON.stringify([key.tenant, key.kind, key.id])));
  if (names.size < op.writes.length) return "key_written_twice";
  return op.writes.map(brokenByWrite).find((word) => word !== undefined);
}

function brokenByWrite({ key, put }: Write): string | undefined {
  if (key.id === "" || !within(key.id, LONGEST_ID)) return "bad_id_length";
  if (key.tenant === ALL_TENANTS) return "bad_tenant";
  return put && !within(put.value, LONGEST_VALUE) ? "value_too_large" : undefined;
}

/** True when a text is at most so many bytes in UTF-8. */
function within(text: string, most: number): boolean {
  return text.length <= most / 3 || (text.length <= most && new TextEncoder().encode(text).length <= most);
}

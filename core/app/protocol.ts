// The dialect of MCP Apps, revision 2026-01-26: JSON-RPC 2.0 between this page and the host that frames it.

type Data = Record<string, unknown>;

interface HostContext extends Data {
  theme?: string;
  styles?: { variables?: Record<string, string | undefined> };
  displayMode?: string;
  availableDisplayModes?: string[];
  locale?: string;
  timeZone?: string;
  safeAreaInsets?: { top: number; right: number; bottom: number; left: number };
}

/** A request this page made, waiting for its answer. */
interface Asked {
  resolve: (result: Data) => void;
  reject: (error: Error) => void;
}

/** Longest wait for the host, in milliseconds: a call may wait for a person. */
const PATIENCE = 120_000;

const asked = new Map<number, Asked>();
const heard = new Map<string, (params: Data) => Data | void>();
let lastId = 0;

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function send(message: Data): void {
  // The host's origin is not known to a sandboxed page; what is sent holds nothing the host did not give.
  window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

function notify(method: string, params: Data = {}): void {
  send({ method, params });
}

function request(method: string, params: Data): Promise<Data> {
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject });
    setTimeout(() => {
      if (asked.delete(id)) reject(new Error("the host did not answer"));
    }, PATIENCE);
    send({ id, method, params });
  });
}

/** What to do when the host sends this; what it returns answers a request. */
function on(method: string, act: (params: Data) => Data | void): void {
  heard.set(method, act);
}

function settle(id: number, message: Data): void {
  const waiting = asked.get(id);
  if (!waiting) return;
  asked.delete(id);
  if (isData(message.error)) waiting.reject(new Error(String(message.error.message)));
  else waiting.resolve(isData(message.result) ? message.result : {});
}

window.addEventListener("message", ({ source, data }) => {
  if (source !== window.parent || !isData(data) || data.jsonrpc !== "2.0") return;
  const { id, method } = data;
  if (typeof method !== "string") {
    if (typeof id === "number") settle(id, data);
    return;
  }
  const act = heard.get(method);
  const result = act?.(isData(data.params) ? data.params : {});
  if (id === undefined || id === null) return;
  if (act) send({ id, result: result ?? {} });
  else send({ id, error: { code: -32601, message: "Method not found" } });
});

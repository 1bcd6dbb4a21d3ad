/** Correlation labels: echoed and logged, never identity. */
export interface Labels {
  sessionId?: string | undefined;
  traceId?: string | undefined;
  transactionId?: string | undefined;
  userId?: string | undefined;
}

/** How one call is made. */
export interface CallOptions {
  /** Cancels the call, not the job. */
  signal?: AbortSignal | undefined;
  /** Limit on the whole call, its repetitions included. */
  timeoutMs?: number | undefined;
  labels?: Labels | undefined;
}

/** The call as the wasm modules read it. */
export function callForm(now: number, { timeoutMs, labels = {} }: CallOptions): object {
  const { sessionId, traceId, transactionId, userId } = labels;
  return {
    deadline_ms: timeoutMs === undefined ? undefined : Math.ceil(now + timeoutMs),
    labels: { session_id: sessionId, trace_id: traceId, transaction_id: transactionId, user_id: userId },
  };
}

/** What ids, nonces and jitter of one call are made from. */
export function randomBytes(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32));
}

import type { ErrorCode } from "./vocabulary.js";

/** Named facts of an error, with `reason` (a machine word, finer than the code) and `suggestion` (what to do next). */
export interface ErrorDetails {
  readonly reason: string;
  readonly suggestion: string;
  readonly [fact: string]: string;
}

/** The error object of the core, as a flow ends with it. */
export interface ErrorObject {
  code: ErrorCode;
  message: string;
  details: ErrorDetails;
  retryable: boolean;
  retry_after_ms?: number;
  /** `name` of the JavaScript error. */
  name: string;
  /** HTTP status. */
  http: number;
  /** What was being done; empty when unknown. */
  operation: string;
}

/** Everything that goes wrong in a call. `name` is the row of the core's table: `NotFound`, `Unavailable`, … */
export class BeamMcpError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  /** Milliseconds after which a repetition may help. */
  readonly retryAfterMs: number | undefined;
  readonly http: number;
  readonly operation: string;

  constructor(object: ErrorObject, options?: { cause?: unknown }) {
    super(object.message, options);
    this.name = object.name;
    this.code = object.code;
    this.details = object.details;
    this.retryable = object.retryable;
    this.retryAfterMs = object.retry_after_ms;
    this.http = object.http;
    this.operation = object.operation;
  }

  get reason(): string {
    return this.details.reason;
  }

  get suggestion(): string {
    return this.details.suggestion;
  }
}

/** An error of this side, before the core was asked. */
export function invalid(reason: string, message: string, suggestion = ""): BeamMcpError {
  return local("invalid_argument", "InvalidArgument", 400, reason, message, suggestion);
}

/** The call was cancelled by its `AbortSignal`, whose reason is the cause. */
export function cancelled(cause: unknown): BeamMcpError {
  const message = "the call was cancelled before it ended";
  return local("cancelled", "Cancelled", 499, "cancelled", message, "call again", cause);
}

function local(
  code: ErrorCode,
  name: string,
  http: number,
  reason: string,
  message: string,
  suggestion: string,
  cause?: unknown,
): BeamMcpError {
  const details = { reason, suggestion };
  return new BeamMcpError({ code, name, http, message, details, retryable: false, operation: "" }, { cause });
}

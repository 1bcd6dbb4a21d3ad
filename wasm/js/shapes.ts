/** Shapes that the schemas of the verbs leave open. */

import type { Operation } from "./vocabulary.js";

/** No member. */
export type Nothing = Record<string, never>;

/** A document whose members are the server's. */
export type Document = Record<string, unknown>;

export interface Health {
  status: "healthy" | "degraded";
  text: string;
  runners: Runner[];
}

/** A target, as probed. */
export interface Runner {
  name: string;
  runner_type: string;
  status: string;
  description: string;
  capabilities: string[];
  /** What it cannot do: why, and the nearest alternative. */
  unsupported?: Record<string, { reason: string; suggestion: string }>;
  version?: string;
  facts: Document;
  checked_at: string;
  /** Why it does not answer. */
  error?: Document;
  warnings?: string[];
  [member: string]: unknown;
}

export interface GetRunnerInput {
  /** Name of a target, or of a runner with one target. */
  runner_type: string;
}

export interface Target {
  name: string;
  runner_type: string;
  description: string;
  options: Document;
}

export interface ListTargetsOutput {
  targets: Target[];
}

export interface JobInput {
  job_id: string;
}

export interface PageInput {
  limit?: number;
  page_token?: string;
}

/** What a write would do. */
export interface Plan {
  /** Give it as `plan_digest` to have this done and nothing else. */
  digest: string;
  summary: string;
  calls: Document[];
  options: Document[];
  changes: string[];
  unknown: string[];
}

export interface Metric {
  name: string;
  namespace: string;
  step?: string;
  /** `other`: a kind that is not read here; its value is in `raw` alone. */
  kind: "counter" | "distribution" | "gauge" | "string_set" | "other";
  attempted?: unknown;
  committed?: unknown;
  /** The runner's own words of a value that is not exactly what it said: `NaN`, a number beyond 2^53. */
  raw?: { attempted?: string; committed?: string };
  /** Left out of a count, and where nobody says one. */
  unit?: string;
}

export interface Checkpoint {
  /** The runner's number of it within the job. */
  id: number;
  /** The runner's word, for instance `COMPLETED`, `FAILED` or `IN_PROGRESS`. */
  status: string;
  kind: "checkpoint" | "savepoint" | "final_savepoint" | "other";
  /** RFC 3339 */
  started_at: string;
  duration_ms?: number;
  state_bytes?: number;
  /** Where its files lie, while they are there. */
  path?: string;
  /** Cleaned text of the runner. */
  failure?: string;
}

/** Numbers of checkpoints since the job began. */
export interface CheckpointCounts {
  completed: number;
  failed: number;
  in_progress: number;
  /** Times the job went back to one. */
  restored: number;
}

/** The checkpoint a job went back to. */
export interface RestoredFrom {
  id: number;
  /** RFC 3339 */
  restored_at: string;
  is_savepoint: boolean;
  path?: string;
}

/** A vertex of Flink, a stage of Spark or Dataflow. */
export interface Stage {
  id: string;
  /** Text of the pipeline. */
  name: string;
  /** Ids of the stages that feed it. */
  inputs?: string[];
  state?: string;
  parallelism?: number;
  tasks?: Record<string, number>;
  records_in?: number;
  records_out?: number;
  bytes_in?: number;
  bytes_out?: number;
  duration_ms?: number;
  progress?: number;
}

export interface LogEntry {
  timestamp?: string;
  severity: "DEFAULT" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";
  /** Untrusted text of the pipeline or runner. */
  message: string;
  job_id: string;
  worker_id?: string;
  step_name?: string;
  source: string;
}

export type OperationState = "REQUESTED" | "ACCEPTED" | "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "UNKNOWN";

export interface ListOperationsOutput {
  operations: Operation[];
  next_page_token?: string;
}

export interface Savepoint {
  savepoint_id: string;
  operation_id: string;
  job_id: string;
  create_time: string;
  state: OperationState;
  location: string | null;
  savepoint_path: string | null;
  diagnostics: string;
}

export interface ListSavepointsOutput {
  savepoints: Savepoint[];
  next_page_token?: string;
}

/** An uploaded file. */
export interface Artifact {
  /** `artifact:sha256:…`, accepted wherever `code_path` is. */
  artifact: string;
  sha256: string;
  size_bytes: number;
  main_class: string | null;
}

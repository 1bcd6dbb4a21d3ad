// Made by wasm/generate.mjs from tests/vectors: do not edit.

import type { Checkpoint, CheckpointCounts, LogEntry, Metric, OperationState, Plan, RestoredFrom, Runner, Stage } from "./shapes.js";

export type * from "./shapes.js";

/** The stable words of errors. */
export type ErrorCode = "invalid_argument" | "unauthenticated" | "permission_denied" | "not_found" | "method_not_allowed" | "not_acceptable" | "conflict" | "idempotency_key_reused" | "failed_precondition" | "payload_too_large" | "unsupported_media_type" | "unsupported" | "rate_limited" | "cancelled" | "job_failed" | "malformed_response" | "unavailable" | "deadline_exceeded" | "internal" | "misuse";

/** States of a job. */
export type JobState = "SUBMITTING" | "SUBMIT_UNKNOWN" | "PARKED" | "PENDING" | "RUNNING" | "RECOVERING" | "PAUSED" | "UPDATING" | "DRAINING" | "CANCELLING" | "LOST" | "FINISHED" | "FAILED" | "CANCELED" | "DRAINED" | "UPDATED";

/** A job as callers see it. */
export type Job = GetJobOutput;

/** A run profile of the catalogue. */
export type ExecutionContext = GetContextOutput;

/** The record of a savepoint, scale, drain, stop or cancel. */
export type Operation = GetOperationOutput;

export interface AbandonJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** The job that is `PARKED`, `SUBMIT_UNKNOWN` or `LOST`. */
  job_id: string;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Why it is known not to run; kept with the job and in the audit. */
  reason?: string;
}

export interface AbandonJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface AdoptJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** The job that is `PARKED`, `SUBMIT_UNKNOWN` or `LOST`. */
  job_id: string;
  /** The runner's own id of the job it shows. */
  native_id?: string;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Why, for the audit. */
  reason?: string;
}

export interface AdoptJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface CancelJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer with the operation of the first. */
  idempotency_key?: string;
  /** The job. */
  job_id: string;
  /** How it is to end; needed unless `with_savepoint` says it. */
  mode?: "cancel" | "drain" | "stop" | "force";
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Directory for the savepoint, beneath what the target allows. */
  savepoint_path?: string;
  /** Longest to wait for the end, in seconds; default 20. */
  wait_seconds?: number;
  /** S1: true is `stop` where the job can take a savepoint and a plain cancel, with a note, where it cannot; false is `cancel`. */
  with_savepoint?: boolean;
}

export interface CancelJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface CreateContextInput {
  /** The server's: whether an admin wrote it. */
  by_operator?: boolean;
  /** Id: lower-case letters, digits, `.`, `_` and `-`, at most 64; of a new one by default made of its name. */
  context_id?: string;
  /** Runner of the targets it is for, or `custom` for any, which is the default. */
  context_type?: "dataflow" | "direct" | "flink" | "portable" | "simulator" | "spark" | "custom";
  /** Text for people, at most 4 KiB. */
  description?: string;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** Annotations. */
  mcp_annotations?: Record<string, unknown>;
  /** The server's. */
  mcp_created_at?: string;
  /** Generation of what is changed; another is refused. Also as `If-Match`. */
  mcp_generation?: number;
  /** Labels. */
  mcp_labels?: Record<string, unknown>;
  /** Same as `context_id`. */
  mcp_resource_id?: string;
  /** `context`. */
  mcp_resource_type?: string;
  /** The server's. */
  mcp_state?: string;
  /** The server's. */
  mcp_updated_at?: string;
  /** For people and programs: no runner reads it. */
  metadata?: Record<string, unknown>;
  /** Name for people, at most 128 bytes; default: the id. */
  name?: string;
  /** Pipeline options by name, over the target's and under those of a preset and of the call. */
  parameters?: Record<string, unknown>;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** For people, for instance `cpu` and `memory`: no runner reads it. */
  resources?: Record<string, unknown>;
  /** `inactive`: jobs may not name it. */
  status?: "active" | "inactive";
}

export interface CreateContextOutput {
  by_operator?: boolean;
  context_id?: string;
  context_type?: string;
  deleted?: string;
  description?: string;
  mcp_annotations?: Record<string, unknown>;
  mcp_created_at?: string;
  mcp_generation?: number;
  mcp_labels?: Record<string, unknown>;
  mcp_resource_id?: string;
  mcp_resource_type?: string;
  mcp_state?: string;
  mcp_updated_at?: string;
  metadata?: Record<string, unknown>;
  name?: string;
  parameters?: Record<string, unknown>;
  plan?: Plan;
  replayed?: boolean;
  resources?: Record<string, unknown>;
  status?: string;
}

export interface CreateJobInput {
  /** Start although the savepoint holds state the pipeline no longer has. */
  allow_non_restored_state?: boolean;
  /** Plain program arguments, before the options. */
  args?: string[];
  /** Path on the server beneath its roots, or `artifact:sha256:<hex>` of an uploaded file. */
  code_path?: string;
  /** A context of the catalogue: its options are over the target's and under the rest. */
  context_id?: string;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Main class of the jar, where its manifest names none. */
  entry_class?: string;
  /** Makes a repeated call answer with the job of the first; at most 255 bytes, kept 7 days. */
  idempotency_key?: string;
  /** Name for people; default: the file's or module's name. */
  job_name?: string;
  /** BATCH or STREAMING. */
  job_type?: string;
  /** Dotted name of a Python module that is installed with the target's interpreter, instead of `code_path`. */
  module?: string;
  /** Same as `job_name`. */
  name?: string;
  /** Same as `pipeline_options`. */
  options?: Record<string, unknown>;
  /** Same as the option of this name. */
  parallelism?: number;
  /** Pipeline options by name: Beam's own, the pipeline's, and `parallelism`, `checkpoint_interval` (ms), `state_backend` (Flink). */
  pipeline_options?: Record<string, unknown>;
  /** Same as `code_path`. */
  pipeline_path?: string;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** A preset of the target. */
  preset?: string;
  /** Same as the option of this name. */
  project?: string;
  /** Same as the option of this name. */
  region?: string;
  /** Same as `runner_type`. */
  runner?: string;
  /** Runner or target: `flink` means the target `flink`, else the only Flink target. */
  runner_type?: string;
  /** Savepoint to start from; beneath what the target allows. */
  savepoint_path?: string;
  /** Name of the target, from `list_runners`. */
  target?: string;
  /** Same as the option of this name. */
  temp_location?: string;
  /** Parameters of the template. */
  template_parameters?: Record<string, unknown>;
  /** Template to launch (Dataflow). */
  template_path?: string;
  /** Beam YAML: the pipeline itself, or a path or artifact as in `code_path`, on one line. */
  yaml?: string;
}

export interface CreateJobOutput {
  checkpoint_path?: string;
  creation_time?: string;
  diagnostics?: string;
  duration?: number;
  end_time?: string;
  ended_by?: string;
  job_id?: string;
  job_name?: string;
  job_type?: "BATCH" | "STREAMING";
  name?: string;
  native_id?: string;
  needs_attention?: boolean;
  notes?: string[];
  observed_at?: string;
  open_operations?: string[];
  origin?: string;
  parallelism?: number;
  plan?: Plan;
  replayed?: boolean;
  runner_state?: string;
  runner_type?: string;
  savepoint_path?: string;
  stale_since?: string;
  start_time?: string;
  state?: JobState;
  target?: string;
  terminal?: boolean;
  version?: number;
}

export interface CreateSavepointInput {
  /** S0: `true` is the same as `wait_seconds: 0`. */
  async_?: boolean;
  /** End the job with it: flush everything in flight first. */
  drain?: boolean;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer with the operation of the first. */
  idempotency_key?: string;
  /** The job. */
  job_id: string;
  /** S0: has no effect. */
  mcp_resource_type?: string;
  /** S0: same as `wait_seconds`. */
  mcp_timeout_seconds?: number;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Same as `savepoint_path`. */
  savepoint_dir?: string;
  /** Directory for the savepoint, beneath what the target allows; default: the target's own. */
  savepoint_path?: string;
  /** Longest to wait for the end, in seconds; default 20. 0 answers at once with the operation. */
  wait_seconds?: number;
}

export interface CreateSavepointOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface DeleteContextInput {
  /** Its id. */
  context_id: string;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** Generation of what is deleted; another is refused. Also as `If-Match`. */
  mcp_generation?: number;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
}

export interface DeleteContextOutput {
  by_operator?: boolean;
  context_id?: string;
  context_type?: string;
  deleted?: string;
  description?: string;
  mcp_annotations?: Record<string, unknown>;
  mcp_created_at?: string;
  mcp_generation?: number;
  mcp_labels?: Record<string, unknown>;
  mcp_resource_id?: string;
  mcp_resource_type?: string;
  mcp_state?: string;
  mcp_updated_at?: string;
  metadata?: Record<string, unknown>;
  name?: string;
  parameters?: Record<string, unknown>;
  plan?: Plan;
  replayed?: boolean;
  resources?: Record<string, unknown>;
  status?: string;
}

export interface GetCheckpointsInput {
  /** The job. */
  job_id: string;
}

export interface GetCheckpointsOutput {
  checkpoints: Checkpoint[];
  counts?: CheckpointCounts;
  job_id: string;
  notes?: string[];
  restored_from?: RestoredFrom;
  timestamp: string;
}

export interface GetContextInput {
  /** Its id. */
  context_id: string;
}

export interface GetContextOutput {
  by_operator: boolean;
  context_id: string;
  context_type: string;
  description: string;
  mcp_annotations: Record<string, unknown>;
  mcp_created_at: string;
  mcp_generation: number;
  mcp_labels: Record<string, unknown>;
  mcp_resource_id: string;
  mcp_resource_type: string;
  mcp_state: string;
  mcp_updated_at: string;
  metadata: Record<string, unknown>;
  name: string;
  parameters: Record<string, unknown>;
  resources: Record<string, unknown>;
  status: string;
}

export interface GetGraphInput {
  /** The job. */
  job_id: string;
  /** Answers with a picture too. */
  svg?: boolean;
}

export interface GetGraphOutput {
  job_id: string;
  notes?: string[];
  stages: Stage[];
  svg?: string;
  timestamp: string;
}

export interface GetJobInput {
  /** Id from `create_job` or `list_jobs`. */
  job_id: string;
  /** Oldest answer of the runner that is good enough, in milliseconds; default 2000, 0 asks the runner now. */
  max_age_ms?: number;
}

export interface GetJobOutput {
  checkpoint_path?: string;
  creation_time: string;
  diagnostics: string;
  duration: number;
  end_time?: string;
  ended_by?: string;
  job_id: string;
  job_name: string;
  job_type?: "BATCH" | "STREAMING";
  name: string;
  native_id?: string;
  needs_attention: boolean;
  observed_at?: string;
  open_operations?: string[];
  origin: string;
  parallelism?: number;
  runner_state?: string;
  runner_type: string;
  savepoint_path?: string;
  stale_since?: string;
  start_time?: string;
  state: JobState;
  target: string;
  terminal: boolean;
  version: number;
}

export interface GetLogsInput {
  /** In the text. */
  contains?: string;
  /** Only the last so many seconds (lines without a time pass). */
  duration_seconds?: number;
  /** The job. */
  job_id: string;
  /** 1 to 1000; default 100. */
  max_results?: number;
  /** At least this severe. */
  min_severity?: "DEFAULT" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";
  /** `next_page_token` of the last page, or `start`; without it the newest lines. */
  page_token?: string;
  /** Whole `step_name`. */
  step?: string;
  /** RFC 3339, or seconds ago. */
  until?: string;
  /** Whole `worker_id`. */
  worker?: string;
}

export interface GetLogsOutput {
  logs: LogEntry[];
  next_page_token?: string;
  notes?: string[];
}

export interface GetMetricsInput {
  /** The job. */
  job_id: string;
}

export interface GetMetricsOutput {
  as_of: string;
  job_id: string;
  metrics: Record<string, number>;
  notes?: string[];
  source: string;
  system: Metric[];
  timestamp: string;
  units: Record<string, string>;
  user: Metric[];
}

export interface GetOperationInput {
  /** `<job id>/<kind>-<32 hex>` from the answer of the write. */
  operation_id: string;
}

export interface GetOperationOutput {
  actual?: Record<string, number>;
  attempts: number;
  diagnostics: string;
  ended_ms: number;
  force?: boolean;
  id: string;
  job_id: string;
  kind: string;
  min_workers?: number;
  operation_id: string;
  parallelism?: number;
  requested_at: string;
  requested_ms: number;
  savepoint_dir?: string;
  savepoint_path?: string;
  sent_ms: number;
  state: OperationState;
  terminal: boolean;
  trigger_id: string;
}

export interface ListContextsInput {
  /** Only those for this runner, or only `custom` ones. */
  context_type?: "dataflow" | "direct" | "flink" | "portable" | "simulator" | "spark" | "custom";
  /** Most contexts on the page, 1 to 100; default 50. */
  limit?: number;
  /** Where the last page ended: its `next_page_token`. */
  page_token?: string;
}

export interface ListContextsOutput {
  contexts: ExecutionContext[];
  next_page_token?: string;
}

export interface ListJobsInput {
  /** Only BATCH or only STREAMING jobs. */
  job_type?: "BATCH" | "STREAMING";
  /** Most jobs on the page, 1 to 200; default 50. */
  limit?: number;
  /** Only jobs whose name holds this text. */
  name_contains?: string;
  /** Where the last page ended: its `next_page_token`. */
  page_token?: string;
  /** Only jobs in this state. */
  state?: "SUBMITTING" | "SUBMIT_UNKNOWN" | "PARKED" | "PENDING" | "RUNNING" | "RECOVERING" | "PAUSED" | "UPDATING" | "DRAINING" | "CANCELLING" | "LOST" | "FINISHED" | "FAILED" | "CANCELED" | "DRAINED" | "UPDATED";
  /** Only jobs of this target (or of the only target of this runner). */
  target?: string;
}

export interface ListJobsOutput {
  jobs: Job[];
  next_page_token?: string;
}

export interface ListRunnersInput {
  /** Only targets of this runner, or this target. */
  runner_type?: string;
}

export interface ListRunnersOutput {
  runners: Runner[];
}

export interface RestoreJobInput {
  /** Start although the savepoint holds state the pipeline no longer has. */
  allow_non_restored_state?: boolean;
  /** New code; default: the same. */
  code_path?: string;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer with the job of the first. */
  idempotency_key?: string;
  /** The job to start again; it must have been submitted through beam-mcp. */
  job_id: string;
  /** Name of the new job; default: the same. */
  job_name?: string;
  /** Parallelism of the new job. */
  parallelism?: number;
  /** Options that replace those of the same name. */
  pipeline_options?: Record<string, unknown>;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Savepoint or checkpoint; default: its last. */
  savepoint_path?: string;
}

export interface RestoreJobOutput {
  checkpoint_path?: string;
  creation_time?: string;
  diagnostics?: string;
  duration?: number;
  end_time?: string;
  ended_by?: string;
  job_id?: string;
  job_name?: string;
  job_type?: "BATCH" | "STREAMING";
  name?: string;
  native_id?: string;
  needs_attention?: boolean;
  notes?: string[];
  observed_at?: string;
  open_operations?: string[];
  origin?: string;
  parallelism?: number;
  plan?: Plan;
  replayed?: boolean;
  runner_state?: string;
  runner_type?: string;
  savepoint_path?: string;
  stale_since?: string;
  start_time?: string;
  state?: JobState;
  target?: string;
  terminal?: boolean;
  version?: number;
}

export interface ResubmitJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** The job that is `PARKED`. */
  job_id: string;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Why the first submission is known not to have arrived; kept in the audit. */
  reason?: string;
}

export interface ResubmitJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface ScaleJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer with the operation of the first. */
  idempotency_key?: string;
  /** The job. */
  job_id: string;
  /** Parallelism wanted for every step, 1 to 32768; the lower bound stays 1. */
  parallelism?: number;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** Longest to wait for the runner to show it, in seconds; default 20. */
  wait_seconds?: number;
}

export interface ScaleJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface UpdateContextInput {
  /** The server's: whether an admin wrote it. */
  by_operator?: boolean;
  /** Id: lower-case letters, digits, `.`, `_` and `-`, at most 64; of a new one by default made of its name. */
  context_id?: string;
  /** Runner of the targets it is for, or `custom` for any, which is the default. */
  context_type?: "dataflow" | "direct" | "flink" | "portable" | "simulator" | "spark" | "custom";
  /** Text for people, at most 4 KiB. */
  description?: string;
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer as the first. */
  idempotency_key?: string;
  /** Annotations. */
  mcp_annotations?: Record<string, unknown>;
  /** The server's. */
  mcp_created_at?: string;
  /** Generation of what is changed; another is refused. Also as `If-Match`. */
  mcp_generation?: number;
  /** Labels. */
  mcp_labels?: Record<string, unknown>;
  /** Same as `context_id`. */
  mcp_resource_id?: string;
  /** `context`. */
  mcp_resource_type?: string;
  /** The server's. */
  mcp_state?: string;
  /** The server's. */
  mcp_updated_at?: string;
  /** For people and programs: no runner reads it. */
  metadata?: Record<string, unknown>;
  /** Name for people, at most 128 bytes; default: the id. */
  name?: string;
  /** Pipeline options by name, over the target's and under those of a preset and of the call. */
  parameters?: Record<string, unknown>;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** For people, for instance `cpu` and `memory`: no runner reads it. */
  resources?: Record<string, unknown>;
  /** `inactive`: jobs may not name it. */
  status?: "active" | "inactive";
}

export interface UpdateContextOutput {
  by_operator?: boolean;
  context_id?: string;
  context_type?: string;
  deleted?: string;
  description?: string;
  mcp_annotations?: Record<string, unknown>;
  mcp_created_at?: string;
  mcp_generation?: number;
  mcp_labels?: Record<string, unknown>;
  mcp_resource_id?: string;
  mcp_resource_type?: string;
  mcp_state?: string;
  mcp_updated_at?: string;
  metadata?: Record<string, unknown>;
  name?: string;
  parameters?: Record<string, unknown>;
  plan?: Plan;
  replayed?: boolean;
  resources?: Record<string, unknown>;
  status?: string;
}

export interface UpdateJobInput {
  /** Only show the plan. */
  dry_run?: boolean;
  /** Makes a repeated call answer with the operation of the first. */
  idempotency_key?: string;
  /** The job. */
  job_id: string;
  /** Digest of the plan a dry run showed; another is refused. */
  plan_digest?: string;
  /** What changes. */
  scaling?: {
    /** Largest number of workers; same as `parallelism`. */
    max_workers?: number;
    /** Smallest number of workers; only 1 is possible on Flink, any up to `max_workers` on Dataflow. */
    min_workers?: number;
    /** Same as `parallelism`. */
    num_workers?: number;
    /** Parallelism of every step. */
    parallelism?: number;
  };
  /** Options to change: on Dataflow a streaming job is replaced in place by another one that has its state; refused elsewhere. */
  update_options?: Record<string, unknown>;
  /** Longest to wait for the runner to show it, in seconds; default 20. */
  wait_seconds?: number;
}

export interface UpdateJobOutput {
  job?: Job;
  job_id?: string;
  notes?: string[];
  operation?: Operation;
  pending?: boolean;
  plan?: Plan;
  replayed?: boolean;
  savepoint_path?: string;
  state?: JobState;
}

export interface WaitForChangeInput {
  /** `cursor` of the last answer; without it the call answers at once. */
  cursor?: number;
  /** The job. */
  job_id: string;
  /** Longest to wait in seconds, at most 25; default 20. */
  timeout_seconds?: number;
  /** Wait for the job's end, not for just any change. */
  until_terminal?: boolean;
}

export interface WaitForChangeOutput {
  changed: boolean;
  checkpoint_path?: string;
  creation_time: string;
  cursor: number;
  diagnostics: string;
  duration: number;
  end_time?: string;
  ended_by?: string;
  job_id: string;
  job_name: string;
  job_type?: "BATCH" | "STREAMING";
  name: string;
  native_id?: string;
  needs_attention: boolean;
  observed_at?: string;
  open_operations?: string[];
  origin: string;
  parallelism?: number;
  runner_state?: string;
  runner_type: string;
  savepoint_path?: string;
  stale_since?: string;
  start_time?: string;
  state: JobState;
  target: string;
  terminal: boolean;
  version: number;
}

/** Every verb of an engine. */
export interface Verbs {
  abandon_job: { input: AbandonJobInput; output: AbandonJobOutput };
  adopt_job: { input: AdoptJobInput; output: AdoptJobOutput };
  cancel_job: { input: CancelJobInput; output: CancelJobOutput };
  create_context: { input: CreateContextInput; output: CreateContextOutput };
  create_job: { input: CreateJobInput; output: CreateJobOutput };
  create_savepoint: { input: CreateSavepointInput; output: CreateSavepointOutput };
  delete_context: { input: DeleteContextInput; output: DeleteContextOutput };
  get_checkpoints: { input: GetCheckpointsInput; output: GetCheckpointsOutput };
  get_context: { input: GetContextInput; output: GetContextOutput };
  get_graph: { input: GetGraphInput; output: GetGraphOutput };
  get_job: { input: GetJobInput; output: GetJobOutput };
  get_logs: { input: GetLogsInput; output: GetLogsOutput };
  get_metrics: { input: GetMetricsInput; output: GetMetricsOutput };
  get_operation: { input: GetOperationInput; output: GetOperationOutput };
  list_contexts: { input: ListContextsInput; output: ListContextsOutput };
  list_jobs: { input: ListJobsInput; output: ListJobsOutput };
  list_runners: { input: ListRunnersInput; output: ListRunnersOutput };
  restore_job: { input: RestoreJobInput; output: RestoreJobOutput };
  resubmit_job: { input: ResubmitJobInput; output: ResubmitJobOutput };
  scale_job: { input: ScaleJobInput; output: ScaleJobOutput };
  update_context: { input: UpdateContextInput; output: UpdateContextOutput };
  update_job: { input: UpdateJobInput; output: UpdateJobOutput };
  wait_for_change: { input: WaitForChangeInput; output: WaitForChangeOutput };
}

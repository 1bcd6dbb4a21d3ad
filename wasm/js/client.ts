/** The client entry: calls of a beam-mcp server. */

import init, * as wasm from "./wasm/client.js";

import { sleep } from "./abort.js";
import { type CallOptions, callForm, randomBytes } from "./call.js";
import { type Secrets, secret } from "./credential.js";
import { drive, systemClock } from "./drive.js";
import { performer } from "./effects.js";
import { invalid } from "./errors.js";
import { type Endpoint, type Fetch, Sender, type Sources } from "./http.js";
import { Loader, type WasmSource } from "./load.js";
import type * as v from "./vocabulary.js";

export type { CallOptions, Labels } from "./call.js";
export type { Secret } from "./credential.js";
export { BeamMcpError, type ErrorDetails } from "./errors.js";
export type { WasmSource } from "./load.js";
export type * from "./vocabulary.js";

const loader = new Loader(init, wasm, new URL("./wasm/client_bg.wasm", import.meta.url));

/** Instantiates the module ahead of the first call, or from elsewhere than its file beside this one. */
export async function load(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  await loader.load(source);
}

/** How a client reaches its server. */
export interface ClientOptions extends Secrets {
  /** Limit on one exchange; default 30 s. Calls that wait for a runner have a limit of their own. */
  timeoutMs?: number;
  /** Tries after the first, of calls that may be repeated; default 3. */
  maxRetries?: number;
  /** Largest answer accepted, in bytes; default 32 MiB. */
  maxBytes?: number;
  /** In place of the global `fetch`. */
  fetch?: Fetch;
}

/** Members of a list's input that only a client knows. */
export interface AllPages {
  /** Collects every page, at most 10,000 items. */
  all?: boolean;
}

/** Bytes to upload. */
export interface UploadInput {
  source: Blob | Uint8Array;
  /** Name for people. */
  file_name?: string;
}

const NO_SOURCES: Sources = new Map();

/** Calls a beam-mcp server. Every method is a verb; its input and output have the names of the wire. */
export class BeamMcpClient {
  readonly #options: { timeout_ms?: number; max_retries?: number; max_bytes?: number };
  readonly #sender: Sender;

  /** A client of the server at this address, for instance `http://127.0.0.1:8888`. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const { timeoutMs, maxRetries, maxBytes } = options;
    this.#options = defined({ timeout_ms: timeoutMs, max_retries: maxRetries, max_bytes: maxBytes });
    const endpoint: Endpoint = { url: checked(url), credential: secret(options) };
    const send: Fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#sender = new Sender((target) => (target === "server" ? endpoint : undefined), send);
  }

  /** Calls a verb by its name. The methods are this with types. */
  async call(verb: string, input: object = {}, options: CallOptions = {}, sources = NO_SOURCES): Promise<unknown> {
    const flows = await loader.load();
    const call = callForm(systemClock.mono(), options);
    const handle = flows.start(JSON.stringify({ verb, input, options: this.#options, call }), randomBytes());
    const perform = performer("a client", {
      send: (request, parts, signal) => this.#sender.send(request, parts, signal, sources),
      sleep: async ({ ms }, _, signal) => {
        await sleep(ms, signal);
        return { reply: { reply: "elapsed" } };
      },
    });
    return (await drive(flows, handle, perform, { signal: options.signal })).value;
  }

  #call<Output>(verb: string, input: object, options?: CallOptions): Promise<Output> {
    return this.call(verb, input, options) as Promise<Output>;
  }

  /** Name, version, tools and resources of the server. */
  getManifest(input: v.Nothing = {}, options?: CallOptions): Promise<v.Document> {
    return this.#call("get_manifest", input, options);
  }

  /** How the server and its targets are, in words. */
  getHealth(input: v.Nothing = {}, options?: CallOptions): Promise<v.Health> {
    return this.#call("get_health", input, options);
  }

  /** The OpenAPI document. */
  getOpenapi(input: v.Nothing = {}, options?: CallOptions): Promise<v.Document> {
    return this.#call("get_openapi", input, options);
  }

  /** The targets and what each can do, as probed now. */
  listRunners(input: v.ListRunnersInput & AllPages = {}, options?: CallOptions): Promise<v.ListRunnersOutput> {
    return this.#call("list_runners", input, options);
  }

  /** One target, by its name or the name of its runner. */
  getRunner(input: v.GetRunnerInput, options?: CallOptions): Promise<v.Runner> {
    return this.#call("get_runner", input, options);
  }

  /** The places jobs can run at, as configured. */
  listTargets(input: AllPages = {}, options?: CallOptions): Promise<v.ListTargetsOutput> {
    return this.#call("list_targets", input, options);
  }

  /** Submits a job. */
  createJob(input: v.CreateJobInput, options?: CallOptions): Promise<v.CreateJobOutput> {
    return this.#call("create_job", input, options);
  }

  /** Jobs, newest first. */
  listJobs(input: v.ListJobsInput & AllPages = {}, options?: CallOptions): Promise<v.ListJobsOutput> {
    return this.#call("list_jobs", input, options);
  }

  /** One job. */
  getJob(input: v.GetJobInput, options?: CallOptions): Promise<v.Job> {
    return this.#call("get_job", input, options);
  }

  /** The same, under S2's path. */
  getJobStatus(input: v.GetJobInput, options?: CallOptions): Promise<v.Job> {
    return this.#call("get_job_status", input, options);
  }

  /** What was asked for and sent. */
  getJobConfiguration(input: v.JobInput, options?: CallOptions): Promise<v.Document> {
    return this.#call("get_job_configuration", input, options);
  }

  /** Changes a running job. */
  updateJob(input: v.UpdateJobInput, options?: CallOptions): Promise<v.UpdateJobOutput> {
    return this.#call("update_job", input, options);
  }

  /** Changes parallelism; waits for the runner. */
  scaleJob(input: v.ScaleJobInput, options?: CallOptions): Promise<v.ScaleJobOutput> {
    return this.#call("scale_job", input, options);
  }

  /** Ends a job; waits for the runner. */
  cancelJob(input: v.CancelJobInput, options?: CallOptions): Promise<v.CancelJobOutput> {
    return this.#call("cancel_job", input, options);
  }

  /** Takes a savepoint; waits for it. */
  createSavepoint(input: v.CreateSavepointInput, options?: CallOptions): Promise<v.CreateSavepointOutput> {
    return this.#call("create_savepoint", input, options);
  }

  /** Takes a savepoint; answers at once with the operation. */
  startSavepoint(input: v.CreateSavepointInput, options?: CallOptions): Promise<v.CreateSavepointOutput> {
    return this.#call("start_savepoint", input, options);
  }

  /** Savepoints asked for. */
  listSavepoints(input: v.JobInput & v.PageInput & AllPages, options?: CallOptions): Promise<v.ListSavepointsOutput> {
    return this.#call("list_savepoints", input, options);
  }

  /** Operations of a job. */
  listOperations(input: v.JobInput & v.PageInput & AllPages, options?: CallOptions): Promise<v.ListOperationsOutput> {
    return this.#call("list_operations", input, options);
  }

  /** One operation. */
  getOperation(input: v.GetOperationInput, options?: CallOptions): Promise<v.Operation> {
    return this.#call("get_operation", input, options);
  }

  /** Submits again from a savepoint. */
  restoreJob(input: v.RestoreJobInput, options?: CallOptions): Promise<v.RestoreJobOutput> {
    return this.#call("restore_job", input, options);
  }

  /** Takes what the runner shows under a native id for a job nobody can explain. */
  adoptJob(input: v.AdoptJobInput, options?: CallOptions): Promise<v.AdoptJobOutput> {
    return this.#call("adopt_job", input, options);
  }

  /** Ends a job nobody can explain: it does not run. */
  abandonJob(input: v.AbandonJobInput, options?: CallOptions): Promise<v.AbandonJobOutput> {
    return this.#call("abandon_job", input, options);
  }

  /** Sends a job nobody can explain again, as its next generation. */
  resubmitJob(input: v.ResubmitJobInput, options?: CallOptions): Promise<v.ResubmitJobOutput> {
    return this.#call("resubmit_job", input, options);
  }

  /** Metrics as they are. */
  getMetrics(input: v.GetMetricsInput, options?: CallOptions): Promise<v.GetMetricsOutput> {
    return this.#call("get_metrics", input, options);
  }

  /** Stages of a job and what feeds each. */
  getGraph(input: v.GetGraphInput, options?: CallOptions): Promise<v.GetGraphOutput> {
    return this.#call("get_graph", input, options);
  }

  /** Checkpoints and savepoints as the runner lists them, the newest first. */
  getCheckpoints(input: v.GetCheckpointsInput, options?: CallOptions): Promise<v.GetCheckpointsOutput> {
    return this.#call("get_checkpoints", input, options);
  }

  /** Run profiles of the catalogue, in order of id. */
  listContexts(input: v.ListContextsInput & AllPages = {}, options?: CallOptions): Promise<v.ListContextsOutput> {
    return this.#call("list_contexts", input, options);
  }

  /** One run profile. */
  getContext(input: v.GetContextInput, options?: CallOptions): Promise<v.GetContextOutput> {
    return this.#call("get_context", input, options);
  }

  /** Makes a run profile, which `createJob` takes as `context_id`. */
  createContext(input: v.CreateContextInput, options?: CallOptions): Promise<v.CreateContextOutput> {
    return this.#call("create_context", input, options);
  }

  /** Puts the members that are sent in the place of those of a run profile. */
  updateContext(input: v.UpdateContextInput, options?: CallOptions): Promise<v.UpdateContextOutput> {
    return this.#call("update_context", input, options);
  }

  /** Takes a run profile out of the catalogue. */
  deleteContext(input: v.DeleteContextInput, options?: CallOptions): Promise<v.DeleteContextOutput> {
    return this.#call("delete_context", input, options);
  }

  /** One page of the log. */
  getLogs(input: v.GetLogsInput, options?: CallOptions): Promise<v.GetLogsOutput> {
    return this.#call("get_logs", input, options);
  }

  /** Waits for a change, as long as one connection may be held. */
  waitForChange(input: v.WaitForChangeInput, options?: CallOptions): Promise<v.WaitForChangeOutput> {
    return this.#call("wait_for_change", input, options);
  }

  /** Uploads a file: its `artifact` is accepted wherever `code_path` is. */
  async uploadArtifact({ source, ...input }: UploadInput, options?: CallOptions): Promise<v.Artifact> {
    const sources: Sources = new Map([["upload", source]]);
    return (await this.call("upload_artifact", { ...input, source: "upload" }, options, sources)) as v.Artifact;
  }
}

/** The address without what would travel unseen: a password, a query. */
function checked(address: string | URL): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (plain) return url.href;
  throw invalid(
    "bad_url",
    "the server's URL must be http(s)://host[:port][/path], without user, query or fragment",
    "give secrets as `token` or `apiKey`",
  );
}

function defined<T extends object>(members: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

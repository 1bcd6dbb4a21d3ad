// What the server answers, through the host: tools and resources.

interface Job {
  job_id: string;
  name: string;
  target: string;
  runner_type: string;
  job_type?: string;
  state: string;
  terminal: boolean;
  diagnostics: string;
  creation_time: string;
  start_time?: string;
  end_time?: string;
  parallelism?: number;
  savepoint_path?: string;
  open_operations?: string[];
  observed_at?: string;
  stale_since?: string;
}

interface Plan {
  digest: string;
  summary: string;
  calls: { call: string; purpose: string }[];
  changes: string[];
  unknown: string[];
}

interface Next {
  tool: string;
  arguments: Data;
}

interface Operation {
  id: string;
  kind: string;
  state: string;
  requested_at: string;
  savepoint_path?: string;
  diagnostics?: string;
}

interface Metric {
  name: string;
  namespace: string;
  step?: string;
  unit?: string;
  attempted?: unknown;
  committed?: unknown;
  /** The runner's own words, where a value is not exactly them. */
  raw?: { attempted?: string; committed?: string };
}

interface Line {
  timestamp?: string;
  severity: string;
  message: string;
  step_name?: string;
  worker_id?: string;
  source?: string;
}

let host: Data = {};

/** What a tool answered; its error where it failed. */
function answered(result: Data): Data {
  const blocks = Array.isArray(result.content) ? result.content : [];
  const text = blocks.filter(isData).map((block) => block.text).find((text) => typeof text === "string");
  if (result.resultType === "input_required") throw new Error("the person was not asked: answer in the conversation");
  if (result.isError) throw new Error(told(String(text ?? "the tool failed")));
  if (isData(result.structuredContent)) return result.structuredContent;
  const parsed: unknown = typeof text === "string" ? JSON.parse(text) : {};
  return isData(parsed) ? parsed : {};
}

/** The message of an error that is JSON, or the text. */
function told(text: string): string {
  try {
    const error: unknown = JSON.parse(text);
    const inner = isData(error) && isData(error.error) ? error.error : error;
    return isData(inner) && typeof inner.message === "string" ? inner.message : text;
  } catch {
    return text;
  }
}

async function call(name: string, input: Data): Promise<Data> {
  if (!host.serverTools) throw new Error("this host lets a view call no tools");
  return answered(await request("tools/call", { name, arguments: input }));
}

/** A resource below a job that is JSON. */
async function read(job: Job, below: string): Promise<Data> {
  const id = encodeURIComponent(job.job_id.slice(job.target.length + 1));
  const uri = `beam://${job.target}/jobs/${id}/${below}`;
  const { contents } = await request("resources/read", { uri });
  const first: unknown = Array.isArray(contents) ? contents[0] : undefined;
  const parsed: unknown = isData(first) && typeof first.text === "string" ? JSON.parse(first.text) : {};
  return isData(parsed) ? parsed : {};
}

/** What was asked of the job: all of it, or only what is open where the host passes no resources on. */
async function operations(job: Job): Promise<Operation[]> {
  if (host.serverResources) return ((await read(job, "operations")).operations ?? []) as Operation[];
  const open = job.open_operations ?? [];
  return Promise.all(open.map((id) => call("get_operation", { operation_id: id }))) as Promise<unknown> as Promise<Operation[]>;
}

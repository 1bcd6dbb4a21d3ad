// What the view knows.

interface Series {
  at: number;
  value: number;
}

/** Samples kept of one metric: 20 minutes of the usual pace. */
const MOST_SAMPLES = 240;

const seen = {
  job: undefined as Job | undefined,
  id: "",
  /** States this view saw the job in, with the time it saw them first. */
  history: [] as { state: string; at: number }[],
  series: new Map<string, Series[]>(),
  metrics: {} as Data,
  graph: undefined as Data | undefined,
  logs: undefined as Data | undefined,
  operations: undefined as Operation[] | undefined,
  plan: undefined as { plan: Plan; next: Next; busy: boolean; error?: string } | undefined,
  /** What the call was sent with whose answer the host shows here. */
  input: {} as Data,
  /** The last thing a person did, and how it ended. */
  said: undefined as { text: string; tone: string } | undefined,
  trouble: "",
  tab: "Stages",
  tabTrouble: new Map<string, string>(),
  /** Groups of lines that a person opened or closed. */
  open: new Map<string, boolean>(),
};

function time(text?: string): number | undefined {
  const at = text ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : at;
}

function observe(job: Job): void {
  const last = seen.history.at(-1);
  const at = time(job.observed_at) ?? Date.now();
  if (job.state !== last?.state) seen.history.push({ state: job.state, at });
  if (seen.history.length > 50) seen.history.splice(1, 1);
  if (seen.job === undefined && job.state === "FAILED") seen.tab = "Logs";
  seen.job = job;
  seen.id = job.job_id;
}

function sample(found: Data): void {
  seen.metrics = found;
  const at = time(String(found.timestamp)) ?? Date.now();
  for (const [name, value] of measured(found)) {
    const series = seen.series.get(name) ?? [];
    if (series.at(-1)?.at !== at) series.push({ at, value });
    if (series.length > MOST_SAMPLES) series.shift();
    seen.series.set(name, series);
  }
}

/** What has a line over time: the unified names, and what says that a job falls behind. */
function measured(found: Data): [string, number][] {
  const unified = Object.entries(isData(found.metrics) ? found.metrics : {});
  const system = (Array.isArray(found.system) ? found.system : []) as Metric[];
  const behind = system
    .filter(({ name }) => ["backlog", "back_pressure_ratio"].includes(name))
    .map(({ name, attempted, committed }) => [name, committed ?? attempted] as [string, unknown]);
  return [...unified, ...behind].filter((pair): pair is [string, number] => typeof pair[1] === "number");
}

/** Takes what any tool answered about a job; `asked` is the call it answers. */
function take(answer: Data, asked: Data): void {
  const job = isData(answer.job) ? answer.job : answer;
  if (typeof job.state === "string" && typeof job.creation_time === "string") observe(job as unknown as Job);
  else if (typeof answer.job_id === "string") seen.id ||= answer.job_id;
  const plan = isData(answer.plan) && !answer.operation ? (answer.plan as unknown as Plan) : undefined;
  const next = plan && approvable(plan, answer, asked);
  seen.plan = plan && next ? { plan, next, busy: false } : undefined;
  const about = seen.plan?.next.arguments.job_id;
  if (typeof about === "string") seen.id ||= about;
}

/** The call that does what the plan says. Where the server asks the person itself it hands none over: the same call then,
 * bound to this plan, and the host's question comes after the button. */
function approvable(plan: Plan, answer: Data, asked: Data): Next | undefined {
  const next: unknown = Array.isArray(answer.next) ? answer.next[0] : undefined;
  if (isData(next)) return next as unknown as Next;
  const { dry_run: _, ...input } = isData(asked.arguments) ? asked.arguments : {};
  return typeof asked.tool === "string" ? { tool: asked.tool, arguments: { ...input, plan_digest: plan.digest } } : undefined;
}

// Who the job is, how it is, and how it came to be so.

function header(): Child[] {
  const job = seen.job;
  if (!job) return [];
  const facts = [
    `${job.target} (${job.runner_type})`,
    job.job_type?.toLowerCase(),
    job.parallelism && `parallelism ${job.parallelism}`,
    `${job.terminal ? "took" : "for"} ${span((time(job.end_time) ?? Date.now()) - (time(job.start_time) ?? time(job.creation_time) ?? 0))}`,
  ];
  const top = el("div", { class: "row apart" }, el("h1", {}, job.name), el("span", { class: `pill ${tone(job.state)}` }, job.state));
  const below = el("p", { class: "quiet small" }, facts.filter(Boolean).join(" · "));
  return [el("header", {}, top, below), past(job), ...warnings(job)];
}

/** Stretches of time in one state, from what the job says of itself and what this view has seen. */
function stretches(job: Job): { state: string; from: number; to: number }[] {
  const created = time(job.creation_time) ?? Date.now();
  const started = time(job.start_time);
  const end = time(job.end_time) ?? Date.now();
  const first = seen.history[0];
  const marks = [{ state: started === undefined ? job.state : "PENDING", at: created }];
  if (started !== undefined) marks.push({ state: first && !job.terminal ? first.state : "RUNNING", at: started });
  for (const mark of seen.history) {
    if (mark.at > (marks.at(-1)?.at ?? 0) && mark.state !== marks.at(-1)?.state && mark.at < end) marks.push(mark);
  }
  return marks.map(({ state, at }, place) => ({ state, from: at, to: marks[place + 1]?.at ?? Math.max(end, at) }));
}

function past(job: Job): HTMLElement {
  const all = stretches(job);
  const bar = all.map(({ state, from, to }) => {
    const part = el("span", { class: tone(state), title: `${state} for ${span(to - from)}` });
    part.style.flexGrow = String(Math.max(1, to - from));
    return part;
  });
  const legend = all.map(({ state, from }) => el("span", { class: tone(state) }, `${words(state)} ${clock(from)}`));
  const end = time(job.end_time);
  if (end !== undefined) legend.push(el("span", { class: tone(job.state) }, `${words(job.state)} ${clock(end)}`));
  return el("section", { "aria-label": "History" }, el("div", { class: "history" }, ...bar), el("div", { class: "legend" }, ...legend));
}

function warnings(job: Job): Child[] {
  const stale = time(job.stale_since);
  return [
    stale !== undefined && el("p", { class: "note wait small" }, `The runner has not answered since ${clock(stale)}: this is what it said last.`),
    job.diagnostics !== "" && el("div", { class: `note ${tone(job.state)}` }, el("pre", { class: "clamp" }, job.diagnostics)),
  ];
}

/** Plans are made first; nothing is done by these alone. */
function actions(): Child {
  const job = seen.job;
  if (!job || job.terminal || !host.serverTools) return undefined;
  const streaming = job.job_type === "STREAMING";
  const busy = seen.plan?.busy ?? false;
  const plan = (label: string, tool: string, input: Data, kind = ""): HTMLElement =>
    button(label, kind, () => void propose(tool, { job_id: job.job_id, ...input }), busy);
  return el(
    "div",
    { class: "row" },
    streaming && plan("Savepoint…", "create_savepoint", {}),
    streaming && plan("Stop with savepoint…", "cancel_job", { mode: "stop" }),
    streaming && plan("Drain…", "cancel_job", { mode: "drain" }),
    plan("Cancel…", "cancel_job", { mode: "cancel" }, "bad"),
  );
}

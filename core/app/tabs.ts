// What a person looks into: stages, metrics, logs, operations.

const TABS: Record<string, () => Child[]> = { Stages: stagesTab, Metrics: metricsTab, Logs: logsTab, Operations: operationsTab };
const GROUPS: [string, string[], string][] = [
  ["Errors", ["FATAL", "ERROR"], "bad"],
  ["Warnings", ["WARN"], "wait"],
  ["Information", ["INFO"], ""],
  ["Other lines", ["DEBUG", "DEFAULT"], ""],
];

function tabs(): Child[] {
  if (!seen.job) return [];
  const names = Object.keys(TABS);
  const choose = (name: string): HTMLElement => {
    const made = button(name, "", () => pick(name));
    made.setAttribute("role", "tab");
    made.setAttribute("aria-selected", String(name === seen.tab));
    return made;
  };
  const trouble = seen.tabTrouble.get(seen.tab);
  const body = trouble ? [el("p", { class: "quiet" }, trouble)] : (TABS[seen.tab]?.() ?? []);
  const panel = el("div", { class: "box", role: "tabpanel", tabindex: "0", "aria-label": seen.tab }, ...body);
  const list = el("div", { class: "list", role: "tablist" }, ...names.map(choose));
  return [el("div", { class: "tabs" }, list, expand()), panel];
}

function pick(name: string): void {
  seen.tab = name;
  draw();
  void refreshTab();
}

function stagesTab(): Child[] {
  if (!seen.graph) return [el("p", { class: "quiet" }, "Reading the stages…")];
  const stages = Array.isArray(seen.graph.stages) ? seen.graph.stages : [];
  const text = typeof seen.graph.svg === "string" ? seen.graph.svg : "";
  const picture = text && shapes(new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
  if (stages.length === 0 || !picture) return [el("p", { class: "quiet" }, "No stages yet."), ...remarks(seen.graph.notes)];
  return [el("div", { class: "graph" }, picture), ...remarks(seen.graph.notes)];
}

/** Lines one after the other that say the same are one with a count. */
function folded(lines: Line[]): { line: Line; count: number }[] {
  const all: { line: Line; count: number }[] = [];
  for (const line of lines) {
    const last = all.at(-1);
    if (last?.line.message === line.message) last.count += 1;
    else all.push({ line, count: 1 });
  }
  return all;
}

function entry({ line, count }: { line: Line; count: number }): HTMLElement {
  const at = time(line.timestamp);
  const from = [line.step_name, line.worker_id].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: "mono" },
    at !== undefined && el("time", {}, clock(at)),
    from !== "" && el("span", { class: "quiet" }, `${from} `),
    el("pre", { style: "display:inline" }, line.message),
    count > 1 && el("span", { class: "quiet" }, ` ×${count}`),
  );
}

function logsTab(): Child[] {
  if (!seen.logs) return [el("p", { class: "quiet" }, "Reading the log…")];
  const lines = (Array.isArray(seen.logs.logs) ? seen.logs.logs : []) as Line[];
  const found = GROUPS.map(([title, severities, kind]) => ({ title, kind, lines: lines.filter(({ severity }) => severities.includes(severity)) }));
  const first = found.find((one) => one.lines.length > 0);
  const groups = found.map((one) => group(one.title, one.kind, one.lines, one === first));
  const none = lines.length === 0 && el("p", { class: "quiet" }, "No lines yet.");
  return [none, ...groups, ...remarks(seen.logs.notes)];
}

/** The worst lines there are stand open; what a person opened or closed stays so. */
function group(title: string, kind: string, lines: Line[], worst: boolean): Child {
  if (lines.length === 0) return undefined;
  const made = el("details", { class: kind }, el("summary", {}, `${title} (${lines.length})`), el("ol", {}, ...folded(lines).map(entry)));
  made.toggleAttribute("open", seen.open.get(title) ?? worst);
  made.querySelector("summary")?.addEventListener("click", () => seen.open.set(title, !made.hasAttribute("open")));
  return made;
}

function operationsTab(): Child[] {
  if (!seen.operations) return [el("p", { class: "quiet" }, "Reading the operations…")];
  if (seen.operations.length === 0) return [el("p", { class: "quiet" }, "Nothing was asked of this job."), ...savepoint()];
  const row = ({ kind, state, requested_at, savepoint_path, diagnostics }: Operation): HTMLElement =>
    el(
      "tr",
      {},
      el("td", {}, words(kind)),
      el("td", {}, el("span", { class: `pill ${tone(state)}` }, words(state))),
      el("td", { class: "quiet" }, clock(time(requested_at) ?? 0)),
      el("td", {}, savepoint_path && el("span", { class: "mono" }, savepoint_path), diagnostics && el("span", { class: "quiet small" }, diagnostics)),
    );
  const head = el("tr", {}, el("th", {}, "Operation"), el("th", {}, "State"), el("th", {}, "Asked"), el("th", {}, "Result"));
  return [el("table", {}, head, ...[...seen.operations].reverse().map(row)), ...savepoint()];
}

function savepoint(): Child[] {
  const path = seen.job?.savepoint_path;
  return path ? [el("p", { class: "small quiet" }, "Last savepoint: ", el("span", { class: "mono" }, path))] : [];
}

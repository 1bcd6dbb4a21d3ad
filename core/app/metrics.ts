// Numbers: the main ones as tiles with a line over time, all of them in a table.

const MAIN = ["processing_rate", "elements_processed", "backlog", "worker_count", "watermark_lag_ms", "system_lag_s", "vcpu_count"];
/** Rows of the table. */
const MOST_ROWS = 200;

/** A line over what was sampled; its box is stretched to its place. */
function line(series: Series[]): Child {
  const values = series.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [series[0]?.at ?? 0, series.at(-1)?.at ?? 0];
  const x = ({ at }: Series): number => ((at - first) / (last - first || 1)) * 100;
  const y = ({ value }: Series): number => (high === low ? 15 : 28 - ((value - low) / (high - low)) * 26);
  const points = series.map((point) => `${x(point).toFixed(2)},${y(point).toFixed(2)}`).join(" ");
  const box = { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" };
  if (series.length < 2 && seen.job?.terminal) return undefined;
  if (series.length < 2) return svg("svg", box, svg("path", { class: "axis", d: "M0 15H100" }));
  return svg("svg", box, svg("polygon", { class: "area", points: `0,30 ${points} 100,30` }), svg("polyline", { class: "spark", points }));
}

/** The unit of a unified name; a count has none to show. */
function unit(name: string): string {
  const { units } = seen.metrics as { units?: Record<string, string> };
  const told = units?.[name] ?? "1";
  return told === "1" ? "" : ` ${told}`;
}

function tile(name: string, series: Series[]): HTMLElement {
  const last = series.at(-1);
  const value = last ? number(last.value) : "–";
  const since = series[0] && last && last.at > series[0].at ? `last ${span(last.at - series[0].at)}` : "";
  return el(
    "div",
    { class: "tile" },
    el("div", { class: "label small quiet" }, words(name.replace(/_(ms|s)$/, ""))),
    el(
      "div",
      { class: "row apart" },
      el("span", {}, el("b", {}, value), el("span", { class: "quiet small" }, unit(name))),
      el("span", { class: "since small quiet" }, since),
    ),
    line(series),
  );
}

function tiles(): Child {
  const shown = MAIN.filter((name) => seen.series.has(name)).slice(0, 4);
  return shown.length > 0 && el("section", { class: "tiles", "aria-label": "Metrics" }, ...shown.map((name) => tile(name, seen.series.get(name) ?? [])));
}

function value(metric: Metric): string {
  const told = metric.committed ?? metric.attempted;
  if (typeof told === "number") return number(told);
  if (Array.isArray(told)) return told.map(String).join(", ");
  if (!isData(told)) return metric.raw?.committed ?? metric.raw?.attempted ?? "–";
  const { count, sum, min, max } = told as Record<string, number>;
  const mean = count ? number((sum ?? 0) / count) : "–";
  return `${number(count ?? 0)} values, ${number(min ?? 0)}–${number(max ?? 0)}, mean ${mean}`;
}

function metricsTab(): Child[] {
  const { user, system, notes } = seen.metrics as { user?: Metric[]; system?: Metric[]; notes?: string[] };
  const all = [...(user ?? []), ...(system ?? [])];
  if (all.length === 0) return [el("p", { class: "quiet" }, "No metrics yet."), ...remarks(notes)];
  const row = (metric: Metric): HTMLElement =>
    el(
      "tr",
      {},
      el("td", {}, metric.name, el("div", { class: "quiet small" }, metric.step ?? metric.namespace)),
      el("td", { class: "number" }, `${value(metric)} ${metric.unit ?? ""}`.trim()),
    );
  const head = el("tr", {}, el("th", {}, "Metric"), el("th", { class: "number" }, "Value"));
  const left = all.length - MOST_ROWS;
  const more = left > 0 ? [`${left} more are not shown`] : [];
  return [el("table", {}, head, ...all.slice(0, MOST_ROWS).map(row)), ...remarks([...more, ...(notes ?? [])])];
}

function remarks(notes: unknown): Child[] {
  const all = Array.isArray(notes) ? notes.map(String) : [];
  return all.map((note) => el("p", { class: "quiet small" }, note));
}

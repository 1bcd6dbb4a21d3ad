// The view's life: the handshake, what the host sends, and looking again while the job lives.

/** Milliseconds between looks: in the first ten minutes, and after. */
const PACE = [5_000, 30_000] as const;
const LIVELY_MS = 600_000;

const page = document.getElementById("view") as HTMLElement;
const opened = Date.now();
let looking = false;

let drawn = "";

/** Shows what is known. `gently`: not while a person has text selected, which would be lost. */
function draw(gently = false): void {
  if (gently && !(getSelection()?.isCollapsed ?? true)) return;
  const before = page.querySelector(".box");
  const [top, left] = [before?.scrollTop ?? 0, before?.querySelector(".graph")?.scrollLeft];
  const focused = document.activeElement instanceof HTMLButtonElement ? document.activeElement.textContent : undefined;
  const parts = [
    ...header(),
    ...approval(),
    tiles(),
    actions(),
    seen.trouble !== "" && el("p", { class: "note bad small", role: "alert" }, seen.trouble),
    ...tabs(),
  ];
  const shown = parts.filter((part): part is Node | string => Boolean(part));
  page.replaceChildren(...(shown.length > 0 ? shown : [el("p", { class: "quiet" }, "Waiting for the job…")]));
  [...page.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus({ preventScroll: true });
  const box = page.querySelector(".box");
  const graph = box?.querySelector(".graph");
  if (box && drawn === seen.tab) box.scrollTop = top;
  if (graph) graph.scrollLeft = left ?? (graph.scrollWidth - graph.clientWidth) / 2;
  drawn = seen.tab;
}

function expand(): Child {
  const modes = context.availableDisplayModes ?? [];
  const other = context.displayMode === "fullscreen" ? "inline" : "fullscreen";
  if (!seen.job || !modes.includes(other)) return undefined;
  const label = other === "fullscreen" ? "Expand" : "Back to the conversation";
  const change = request.bind(undefined, "ui/request-display-mode", { mode: other });
  return button(label, "end", () => void change().then(({ mode }) => adopt({ displayMode: String(mode) }), () => undefined));
}

async function refresh(): Promise<void> {
  if (looking || !seen.id || !host.serverTools) return;
  looking = true;
  try {
    observe((await call("get_job", { job_id: seen.id })) as unknown as Job);
    sample(await call("get_metrics", { job_id: seen.id }).catch(() => seen.metrics));
    await refreshTab();
    seen.trouble = "";
  } catch (error) {
    seen.trouble = `The job could not be read: ${message(error)}`;
  }
  looking = false;
  draw(true);
}

/** Reads what the tab shows; what a runner does not have is said in its place. */
async function refreshTab(): Promise<void> {
  const { job, tab } = seen;
  if (!job) return;
  try {
    if (tab === "Stages") seen.graph = await call("get_graph", { job_id: job.job_id, svg: true });
    if (tab === "Logs") seen.logs = await call("get_logs", { job_id: job.job_id, max_results: 200 });
    if (tab === "Operations") seen.operations = await operations(job);
    seen.tabTrouble.delete(tab);
  } catch (error) {
    seen.tabTrouble.set(tab, message(error));
  }
  draw(true);
}

function again(): void {
  const settled = seen.job?.terminal && seen.history.length > 0 && seen.job.end_time !== undefined;
  if (!document.hidden && !settled) void refresh();
  setTimeout(again, PACE[Date.now() - opened < LIVELY_MS ? 0 : 1]);
}

function adopt(news: HostContext): void {
  Object.assign(context, news);
  const root = document.documentElement;
  if (context.theme === "light" || context.theme === "dark") root.dataset.theme = context.theme;
  for (const [name, value] of Object.entries(context.styles?.variables ?? {})) {
    if (/^--(color|font|border|shadow)-/.test(name) && typeof value === "string") root.style.setProperty(name, value);
  }
  document.body.classList.toggle("whole", context.displayMode === "fullscreen");
  const insets = context.safeAreaInsets;
  if (insets) document.body.style.padding = [insets.top, insets.right, insets.bottom, insets.left].map((side) => `${Number(side)}px`).join(" ");
  draw();
}

/** The tool whose answer the host shows here, where it says so. */
function shownTool(): unknown {
  const { toolInfo } = context;
  return isData(toolInfo) && isData(toolInfo.tool) ? toolInfo.tool.name : undefined;
}

on("ping", () => ({}));
on("ui/resource-teardown", () => ({}));
on("ui/notifications/host-context-changed", (params) => adopt(params as HostContext));
on("ui/notifications/tool-input", ({ arguments: input }) => {
  if (!isData(input)) return;
  seen.input = input;
  if (typeof input.job_id === "string") seen.id ||= input.job_id;
});
on("ui/notifications/tool-cancelled", ({ reason }) => {
  seen.trouble = `The call was cancelled${reason ? `: ${String(reason)}` : ""}.`;
  draw();
});
on("ui/notifications/tool-result", (result) => {
  try {
    take(answered(result), { tool: shownTool(), arguments: seen.input });
  } catch (error) {
    seen.trouble = message(error);
  }
  draw();
  void refresh();
});

async function begin(): Promise<void> {
  const { hostCapabilities, hostContext } = await request("ui/initialize", {
    appInfo: { name: "beam-mcp-job", title: "Beam job", version: "1.0.0" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    protocolVersion: "2026-01-26",
  });
  host = isData(hostCapabilities) ? hostCapabilities : {};
  adopt((isData(hostContext) ? hostContext : {}) as HostContext);
  notify("ui/notifications/initialized");
  const tell = (): void => notify("ui/notifications/size-changed", { height: Math.ceil(page.getBoundingClientRect().height) });
  new ResizeObserver(tell).observe(page);
  setTimeout(again, PACE[0]);
}

void begin().catch((error: unknown) => {
  page.replaceChildren(el("p", { class: "note bad" }, `The host did not begin: ${message(error)}`));
});

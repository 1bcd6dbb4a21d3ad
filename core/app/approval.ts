// A plan before a person: what would be done, and the two answers. Only the plan that is shown can be approved: its
// digest goes back with the call, and the server refuses it for any other. A server cannot tell this button from a call of
// the model's: where the host can ask, the host's own question follows, and only a yes to that counts.

const ENDS = /^(cancel|stop|drain|force)$/;

async function propose(tool: string, input: Data): Promise<void> {
  seen.said = undefined;
  try {
    take(await call(tool, { ...input, dry_run: true }), { tool, arguments: input });
    if (!seen.plan) seen.said = { text: "There is nothing to do: the job has ended, or it is done already.", tone: "off" };
  } catch (error) {
    seen.said = { text: message(error), tone: "bad" };
  }
  draw();
}

async function approve(): Promise<void> {
  const proposed = seen.plan;
  if (!proposed || proposed.busy) return;
  proposed.busy = true;
  draw();
  try {
    const { summary } = proposed.plan;
    take(await call(proposed.next.tool, proposed.next.arguments), {});
    seen.plan = undefined;
    seen.said = { text: `Approved: ${summary}`, tone: "done" };
    tell(`The person approved the plan "${summary}" in the job view; ${proposed.next.tool} was called.`);
    void refresh();
  } catch (error) {
    proposed.busy = false;
    proposed.error = message(error);
  }
  draw();
}

function decline(): void {
  const summary = seen.plan?.plan.summary ?? "";
  seen.plan = undefined;
  seen.said = { text: `Declined: ${summary}. Nothing was done.`, tone: "off" };
  tell(`The person declined the plan "${summary}" in the job view. Nothing was done; do not ask again unless they do.`);
  draw();
}

/** For the model to know at its next turn, where the host takes it. */
function tell(text: string): void {
  if (!host.updateModelContext) return;
  void request("ui/update-model-context", { content: [{ type: "text", text }] }).catch(() => undefined);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function approval(): Child[] {
  const said = seen.said && el("p", { class: `note ${seen.said.tone} small`, role: "status" }, seen.said.text);
  if (!seen.plan) return [said];
  const { plan, next, busy, error } = seen.plan;
  const ends = ENDS.test(String(next.arguments.mode ?? ""));
  const list = (title: string, items: string[]): Child =>
    items.length > 0 && el("div", {}, el("p", { class: "quiet small" }, title), el("ul", {}, ...items.map((item) => el("li", {}, item))));
  const calls = plan.calls.map(({ call, purpose }) => (purpose ? `${call}: ${purpose}` : call));
  return [
    el(
      "section",
      { class: "plan", "aria-label": "Plan to approve" },
      el("h2", {}, plan.summary),
      list("What changes", plan.changes),
      list("Calls to the runner", calls),
      list("What cannot be known", plan.unknown),
      el("p", { class: "quiet mono" }, `digest ${plan.digest.slice(0, 16)}…`),
      error !== undefined && el("p", { class: "note bad small", role: "alert" }, error),
      el(
        "div",
        { class: "row" },
        button(busy ? "Working…" : "Approve", ends ? "main bad" : "main", () => void approve(), busy || !host.serverTools),
        button("Decline", "", decline, busy),
      ),
      !host.serverTools && el("p", { class: "quiet small" }, "This host lets a view call no tools: answer in the conversation."),
    ),
    said,
  ];
}

// The job view as a person sees it: in a real browser, framed by the official bridge, on jobs of a real server.
//
// APPS_PICTURES names a folder for pictures of what was seen.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { open } from "./browser.mjs";
import { start } from "./rig.mjs";

let rig, browser;

before(async () => {
  rig = await start(process.env.BEAM_MCP_SERVER, process.env.APPS_HOST);
  browser = await open(process.env.CHROMIUM);
});

after(async () => {
  await browser?.close();
  await rig?.stop();
});

beforeEach(async () => {
  browser.troubles.length = 0;
  browser.requests.length = 0;
});

const json = JSON.stringify;
const text = (part) => `document.body.innerText.includes(${json(part)})`;
const click = (label) =>
  browser.inFrame(`[...document.querySelectorAll("button")].find((one) => one.textContent === ${json(label)}).click()`);

async function visit(width) {
  await browser.visit(rig.url, width);
  for (let left = 100; !(await browser.evaluate("Boolean(window.host)")); left--) {
    assert.ok(left, `the host's page does not begin: ${browser.troubles.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const call = (name, input) => browser.evaluate(`host.call(${json(name)}, ${json(input)})`);
const show = (name, input, context = {}, capabilities = {}) =>
  browser.evaluate(`host.show(${[name, input, context, capabilities].map(json)}).then(() => null)`);

async function job(more = {}, options = {}) {
  const made = { target: "sim", job_name: "orders-by-region", job_type: "STREAMING", code_path: "orders.jar", ...more };
  const { job_id } = await call("create_job", { ...made, pipeline_options: { parallelism: 4, ...options } });
  for (;;) if ((await call("get_job", { job_id })).state !== "PENDING") return job_id;
}

/** Gives the view an answer that no server gave. */
const tell = (answer) => browser.evaluate(`host.bridge.sendToolResult({ content: [], structuredContent: ${json(answer)} }).then(() => null)`);

async function picture(name) {
  const folder = process.env.APPS_PICTURES;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.png`), await browser.picture());
}

test("views are offered to clients that render them alone", async () => {
  await visit();
  const rendering = await browser.evaluate("host.offered(true)");
  assert.ok(rendering.views.includes("get_job") && rendering.views.includes("cancel_job"), json(rendering));
  assert.ok(!rendering.views.includes("list_jobs") && rendering.uris.includes("ui://beam-mcp/job.html"), json(rendering));
  const plain = await browser.evaluate("host.offered(false)");
  assert.deepEqual(plain.views, []);
  assert.ok(!plain.uris.some((uri) => uri.startsWith("ui://")), json(plain));
});

test("a running job shows state, stages, metrics over time, logs and operations, and reaches nothing", async () => {
  await visit();
  const job_id = await job();
  await call("create_savepoint", { job_id, wait_seconds: 10 });
  browser.requests.length = 0;
  await show("get_job", { job_id });
  await browser.until(text("orders-by-region"));
  await browser.until('document.querySelector(".pill").textContent === "RUNNING"');
  await browser.until('document.querySelectorAll(".graph rect").length === 5');
  await browser.until('document.querySelectorAll(".history span").length >= 2');
  await browser.until('document.querySelectorAll(".tile polyline").length >= 2', 60);
  await click("Logs");
  await browser.until(text("Information ("));
  await click("Metrics");
  await browser.until(text("record_bytes"));
  await click("Operations");
  await browser.until(text("Savepoint"));
  await browser.until(text("Succeeded"));
  const others = browser.requests.filter(({ url }) => !url.startsWith(rig.url) && !url.startsWith("about:"));
  assert.deepEqual(others, []);
  assert.deepEqual(browser.troubles, []);
});

test("it fits its frame, and no part of it is wider, desktop and narrow, light and dark", async () => {
  for (const width of [808, 360]) {
    await visit(width);
    const job_id = await job({}, { simulator_script: "back_pressure" });
    for (const theme of ["light", "dark"]) {
      await show("get_job", { job_id }, { theme });
      await browser.until('document.querySelectorAll(".tile polyline").length >= 2', 60);
      await browser.until("document.documentElement.scrollWidth <= window.innerWidth");
      await browser.until("Math.abs(document.querySelector('main').getBoundingClientRect().height - window.innerHeight) < 4");
      const background = await browser.inFrame("getComputedStyle(document.body).backgroundColor");
      assert.equal(background, theme === "light" ? "rgb(255, 255, 255)" : "rgb(23, 25, 28)");
      await picture(`running-${width}-${theme}`);
    }
  }
  assert.deepEqual(browser.troubles, []);
});

test("a plan is carried out only when a person approves it", async () => {
  await visit();
  const job_id = await job({ target: "slow" });
  await show("cancel_job", { job_id, mode: "cancel" });
  await browser.until(text("Calls to the runner"));
  await picture("plan");
  await click("Decline");
  await browser.until(text("Nothing was done."));
  assert.equal((await call("get_job", { job_id })).state, "RUNNING");
  await browser.until('[...document.querySelectorAll("button")].some((one) => one.textContent === "Cancel…")');
  await click("Cancel…");
  await browser.until('[...document.querySelectorAll("button")].some((one) => one.textContent === "Approve")');
  assert.equal((await call("get_job", { job_id })).state, "RUNNING", "a plan alone does nothing");
  await click("Approve");
  await browser.until('document.querySelector(".pill").textContent === "CANCELED"');
  assert.equal((await call("get_job", { job_id })).state, "CANCELED");
  const told = await browser.evaluate("host.told");
  assert.match(told[0], /declined/);
  assert.match(told[1], /approved/);
  assert.deepEqual(browser.troubles, []);
});

test("where the host can ask, the button is not enough: the host's own question decides", async () => {
  await visit();
  await browser.evaluate("host.asking()");
  const job_id = await job({ target: "slow" });
  await show("cancel_job", { job_id, mode: "cancel", dry_run: true });
  await browser.until(text("Calls to the runner"));
  assert.deepEqual(await browser.evaluate("host.questions"), [], "a trial asks nobody");
  await browser.evaluate('void host.answers.push({ action: "decline" }, { action: "accept", content: { confirm: true } })');
  await click("Approve");
  await browser.until(text("the person did not confirm it"));
  assert.equal((await call("get_job", { job_id })).state, "RUNNING");
  await click("Approve");
  await browser.until('document.querySelector(".pill").textContent === "CANCELED"');
  const questions = await browser.evaluate("host.questions");
  assert.equal(questions.length, 2, json(questions));
  assert.match(questions[0], /cancel the job/);
  assert.deepEqual(browser.troubles, []);
});

test("a failed job opens at its log", async () => {
  await visit();
  const job_id = await job({ job_type: "BATCH" }, { simulator_script: "failing", simulator_duration_s: 20 });
  await call("wait_for_change", { job_id, until_terminal: true });
  await show("get_job", { job_id }, { theme: "dark" });
  await browser.until(text("Errors ("));
  await browser.until('document.querySelector("details.bad").open');
  await picture("failed-dark");
  assert.deepEqual(browser.troubles, []);
});

test("text of a job is text, whatever it looks like", async () => {
  await visit();
  const job_id = await job({ target: "slow" });
  await show("get_job", { job_id }, {}, { serverTools: null });
  const hostile = '</pre><img src=x onerror="window.ran = 1"><script>window.ran = 1</script><b>bold</b>';
  const shown = { ...(await call("get_job", { job_id })), name: hostile, diagnostics: hostile, savepoint_path: hostile };
  await tell(shown);
  await browser.until(text("<b>bold</b>"));
  assert.equal(await browser.inFrame('document.querySelectorAll("img, h1 *, pre *, main script").length'), 0);
  assert.equal(await browser.inFrame("window.ran"), undefined);
});

test("a picture is taken over without what could act or load", async () => {
  await visit();
  const job_id = await job({ target: "slow" });
  await show("get_job", { job_id });
  await browser.until('document.querySelectorAll(".graph rect").length === 5');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran = 1"><script>window.ran = 1</script>
    <style>@import url(http://127.0.0.1:9/x)</style><image href="http://127.0.0.1:9/y"/><foreignObject/>
    <a href="javascript:1"><rect/></a><rect width="1" height="1" onload="window.ran = 1" style="fill: url(http://127.0.0.1:9/z)"/></svg>`;
  await browser.evaluate(`host.bridge.oncalltool = async ({ name }) => name === "get_graph"
    ? { content: [], structuredContent: { stages: [{}], svg: ${json(svg)} } } : { content: [], isError: true }; null`);
  await click("Metrics");
  await click("Stages");
  await browser.until('document.querySelectorAll(".graph rect").length === 1');
  const kept = await browser.inFrame('document.querySelector(".graph svg").innerHTML.trim()');
  assert.equal(kept.replaceAll(/\s+/g, " "), '<rect width="1" height="1"></rect>');
  assert.equal(await browser.inFrame("window.ran"), undefined);
  assert.ok(!browser.requests.some(({ url }) => url.includes(":9/")));
});

test("a host that passes no calls on shows what the answer held", async () => {
  await visit();
  const job_id = await job({ target: "slow" });
  await show("get_job", { job_id }, {}, { serverTools: null });
  await browser.until(text("orders-by-region"));
  await browser.until('![...document.querySelectorAll("button")].some((one) => /Cancel|Drain/.test(one.textContent))');
});

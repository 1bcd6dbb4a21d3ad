// Programs as users write them. They are not run: they must pass the type checker, and what is marked must not.

import { BeamMcpClient, BeamMcpError, type Job, load } from "../../wasm/pkg/client.js";
import { BeamMcpEngine, MemoryStore, type Op, type Store, type StoreReply } from "../../wasm/pkg/engine.js";
import { McpConnection } from "../../wasm/pkg/mcp.js";

export async function client(): Promise<Job> {
  await load(new URL("https://cdn.example/client_bg.wasm"));
  const client = new BeamMcpClient("http://127.0.0.1:8888", { token: async () => "t", maxRetries: 1 });
  const signal = AbortSignal.timeout(1000);
  const made = await client.createJob({ target: "flink", code_path: "a.jar" }, { signal, labels: { traceId: "t" } });
  const { jobs, next_page_token } = await client.listJobs({ state: "RUNNING", all: true });
  const { artifact } = await client.uploadArtifact({ source: new Blob(["x"]), file_name: "a.jar" });
  console.log(made.job_id?.length, next_page_token, artifact.startsWith("artifact:"), jobs[0]?.state === "FAILED");
  // @ts-expect-error a state that does not exist
  await client.listJobs({ state: "WALKING" });
  // @ts-expect-error a job is named
  await client.getJob({});
  // @ts-expect-error no such member
  await client.cancelJob({ job_id: "a:b", how: "gently" });
  // @ts-expect-error a read has no such option
  await client.getJob({ job_id: "a:b" }, { timeout: 1 });
  return client.getJob({ job_id: "a:b" });
}

export function problem(error: unknown): string {
  if (!(error instanceof BeamMcpError)) throw error;
  // @ts-expect-error a code that does not exist
  if (error.code === "sleepy") return "";
  return error.code === "not_found" ? error.suggestion : `${error.reason} ${error.retryable} ${error.details["job_id"]}`;
}

class Kept implements Store {
  readonly durable = true;
  readonly #inner = new MemoryStore();
  async perform(op: Op): Promise<StoreReply> {
    return this.#inner.perform(op);
  }
}

export async function engine(request: Request): Promise<Response> {
  const engine = await BeamMcpEngine.create({ targets: {} }, { store: new Kept(), secrets: () => "s", role: "viewer" });
  const { runners } = await engine.run("list_runners", {});
  // @ts-expect-error no such verb
  await engine.run("list_runner", {});
  // @ts-expect-error the input of another verb
  await engine.run("get_job", { state: "RUNNING" });
  console.log(runners[0]?.name, await engine.tick());
  return engine.handle(request);
}

export async function anyServer(): Promise<string | undefined> {
  const connection = new McpConnection("https://mcp.example/mcp", {
    era: "2025-06-18",
    answer: (method, params: { message?: string }) => ({ action: method === "elicitation/create" && params.message ? "accept" : "decline" }),
    oauth: { redirectUri: "https://page.example/back", authorize: async (url) => (console.log(url), undefined) },
  });
  const [tool] = await connection.listTools({ timeoutMs: 1000 });
  const { content, isError } = await connection.callTool(tool?.name ?? "", { a: 1 }, { progress: true });
  for await (const { method, params } of connection.listen({ tools: true, resourceUris: ["beam://a/b"] })) {
    if (method === "notifications/resources/updated") console.log(params["uri"]);
  }
  // @ts-expect-error a revision that does not exist
  console.log(new McpConnection("http://a", { era: "2024-01-01" }));
  // @ts-expect-error the name comes first
  await connection.callTool({ name: "a" });
  const [first] = content;
  return isError || first?.type !== "text" ? undefined : first.text;
}

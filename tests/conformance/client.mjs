// The JavaScript client that the official MCP suite runs: `client.mjs URL`. MODULE names wasm/build.sh's mcp.js.
//
// Only the script is made for the suite; scenario, revision and context are in the environment. An error of the
// connection is exit code 1, which some scenarios ask for.

import { pathToFileURL } from "node:url";

const { env } = process;
const { BeamMcpError, McpConnection } = await import(pathToFileURL(env.MODULE));
const scenario = env.MCP_CONFORMANCE_SCENARIO;
const version = env.MCP_CONFORMANCE_PROTOCOL_VERSION || "2026-07-28";
const context = JSON.parse(env.MCP_CONFORMANCE_CONTEXT || "{}");

/** The page lets everybody in at once: where it sends the browser is the answer. */
async function authorize(url) {
  const answer = await fetch(url, { redirect: "manual" });
  return answer.headers.get("location") ?? undefined;
}

function grant() {
  if (scenario === "auth/client-credentials-basic") return "client_credentials";
  if (scenario === "auth/wif-jwt-bearer") return { jwt_bearer: { assertion: context.valid_jwt } };
  return "authorization_code";
}

const oauth = {
  authorize,
  grant: grant(),
  redirectUri: "http://localhost:8765/callback",
  clientMetadataUrl: "https://conformance-test.local/client-metadata.json",
  clientId: context.client_id,
  clientSecret: context.client_secret,
  issuer: context.issuer,
};

/** Accepts what is asked; another call while this one waits must not carry anything of it. */
async function answer(_, { requestedSchema }) {
  if (!("confirmed" in (requestedSchema?.properties ?? {}))) return { action: "accept", content: {} };
  await connection.callTool("test_mrtr_unrelated");
  return { action: "accept", content: { confirmed: true } };
}

const connection = new McpConnection(process.argv[2], { era: version === "2026-07-28" ? "auto" : version, oauth, answer });

/** With what a tool can be called: nothing, or what its schema requires. */
function argumentsOf({ name, inputSchema }) {
  if (name === "add_numbers") return { a: 5, b: 3 };
  return Object.fromEntries((inputSchema.required ?? []).map((required) => [required, "x"]));
}

/** Listens once the server's news have begun: this one asks on their stream, not on that of the call. */
async function listening() {
  const news = connection.listen({});
  await news.next();
  news.next().catch(() => undefined);
  return news;
}

async function everything() {
  for (const { uri } of await connection.listResources()) await connection.readResource(uri);
  for (const { name } of await connection.listPrompts()) await connection.getPrompt(name);
}

async function script() {
  await connection.connect();
  if (scenario === "elicitation-sep1034-client-defaults") await listening();
  const tools = await connection.listTools();
  if (scenario === "http-custom-headers") {
    for (const call of context.toolCalls) await connection.callTool(call.name, call.arguments);
  } else if (scenario === "json-schema-2020-12-preservation") {
    const { inputSchema } = tools.find(({ name }) => name === "json_schema_2020_12_tool");
    await connection.callTool("json_schema_echo", { schema: inputSchema });
  } else {
    for (const tool of tools) await connection.callTool(tool.name, argumentsOf(tool));
  }
  if (scenario === "http-standard-headers") await everything();
}

try {
  await script();
  if (scenario !== "elicitation-sep1034-client-defaults") await connection.close();
  process.exit(0);
} catch (error) {
  if (!(error instanceof BeamMcpError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exit(1);
}

// A host of MCP Apps, in a page: the official client and the official bridge, and a frame that may run scripts only.
// The test drives it through `window.host`.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";

const TYPE = "text/html;profile=mcp-app";

async function connect(renders = true, asks = false) {
  const extensions = renders ? { "io.modelcontextprotocol/ui": { mimeTypes: [TYPE] } } : {};
  const capabilities = { extensions, ...(asks ? { elicitation: {} } : {}) };
  const client = new Client({ name: "test-host", version: "1.0.0" }, { capabilities });
  if (asks) client.setRequestHandler("elicitation/create", async ({ params }) => (questions.push(params.message), answers.shift()));
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
  return client;
}

/** What a host that can ask was told to ask, and what its person says next. */
const [questions, answers] = [[], []];

/** One client for the page: each holds a stream open, and a browser opens six to one server. */
let shared = connect();

/** From now on this host can ask its person. */
async function asking() {
  await (await shared).close();
  shared = connect(true, true);
  await shared;
}

/** Calls a tool and shows its answer in the tool's view. */
async function show(name, input, context = {}, capabilities = {}) {
  const client = await shared;
  const { tools } = await client.listTools();
  const tool = tools.find((tool) => tool.name === name);
  const uri = getToolUiResourceUri(tool);
  const { contents } = await client.readResource({ uri });
  if (contents[0].mimeType !== TYPE) throw new Error(`a view of type ${contents[0].mimeType}`);
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  document.body.classList.toggle("dark", context.theme === "dark");
  document.querySelector("iframe")?.remove();
  document.body.append(frame);
  const all = { serverTools: {}, serverResources: {}, updateModelContext: { text: {} }, ...capabilities };
  const declared = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  const bridge = new AppBridge(client, { name: "test-host", version: "1.0.0" }, declared, { hostContext: { toolInfo: { tool }, ...context } });
  const initialized = new Promise((resolve) => (bridge.oninitialized = resolve));
  const told = [];
  bridge.onsizechange = ({ height }) => height && (frame.style.height = `${height}px`);
  bridge.onupdatemodelcontext = async ({ content }) => (told.push(content[0].text), {});
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = contents[0].text;
  await initialized;
  await bridge.sendToolInput({ arguments: input });
  const result = await client.callTool({ name, arguments: input });
  await bridge.sendToolResult(result);
  Object.assign(window.host, { bridge, told, frame });
  return result;
}

/** Calls a tool as the model would. */
async function call(name, input) {
  const client = await shared;
  const result = await client.callTool({ name, arguments: input });
  if (result.isError) throw new Error(result.content[0].text);
  return result.structuredContent;
}

/** What a client is offered. */
async function offered(renders) {
  const client = await connect(renders);
  const { tools } = await client.listTools();
  const { resources } = await client.listResources();
  await client.close();
  return { views: tools.filter((tool) => tool._meta?.ui).map((tool) => tool.name), uris: resources.map(({ uri }) => uri) };
}

window.host = { show, call, offered, asking, questions, answers };

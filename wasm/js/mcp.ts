/** The MCP entry: calls of any MCP server, of 2026-07-28 and of the revisions with a handshake. */

import init, * as wasm from "./wasm/mcp.js";

import { sleep } from "./abort.js";
import { callForm, randomBytes } from "./call.js";
import { type Secrets, secret } from "./credential.js";
import { drive, end, systemClock } from "./drive.js";
import { type Answer, performer } from "./effects.js";
import { type Endpoint, type Fetch, Sender } from "./http.js";
import { Loader, type WasmSource } from "./load.js";
import { Mailbox } from "./mailbox.js";
import type * as p from "./protocol.js";
import { Streams } from "./streams.js";

export type { Secret } from "./credential.js";
export { BeamMcpError, type ErrorDetails } from "./errors.js";
export type { WasmSource } from "./load.js";
export type * from "./protocol.js";

const loader = new Loader(init, wasm, new URL("./wasm/mcp_bg.wasm", import.meta.url));

/** Instantiates the module ahead of the first call, or from elsewhere than its file beside this one. */
export async function load(source?: WasmSource | Promise<WasmSource>): Promise<void> {
  await loader.load(source);
}

/** How a connection gets a token where its server wants one. */
export interface OAuth {
  /**
   * Shows a person the page at `url`, in a window of its own, and gives the URL it was sent back to; `undefined` when
   * nobody signs in. Needed for the grant `authorization_code`.
   */
  authorize?: (url: string, redirectUri: string) => string | undefined | Promise<string | undefined>;
  /** Where the person is sent back to: the embedding page's own, over https or on this machine. */
  redirectUri?: string;
  /** Shown to the person. */
  clientName?: string;
  /** URL of the client's own metadata document: its id where the server takes such ids. */
  clientMetadataUrl?: string;
  /** Id of a client that was registered by hand, its secret, and the authorization server it was registered at. */
  clientId?: string;
  clientSecret?: string;
  issuer?: string;
  /** Scopes to ask for besides those the server names. */
  scopes?: string[];
  /** Default: `authorization_code`. The others need no person. */
  grant?: "authorization_code" | "client_credentials" | { jwt_bearer: { assertion: string } };
}

/** Answers what a server asks: `elicitation/create`, `sampling/createMessage` or `roots/list`. */
export type Answering = (method: string, params: never) => unknown;

/** How a connection behaves. */
export interface ConnectionOptions extends Secrets {
  /** `auto`, the default, finds out which revision the server speaks; a revision is taken at its word. */
  era?: "auto" | "modern" | p.Legacy;
  /** What the client says it is. */
  clientInfo?: { name: string; version: string; [member: string]: unknown };
  /** What the page answers to; default: `elicitation` where there is an `answer`. */
  capabilities?: Record<string, unknown>;
  /** What it throws ends the call, and `undefined` says that nobody answers. */
  answer?: Answering;
  /** Is called with what the server tells beside its answers. */
  onNotification?: (told: p.Notification) => void;
  oauth?: OAuth;
  /** Limit on one request; its progress begins the time anew. Default 30 s. */
  timeoutMs?: number;
  /** Limit on one request however much it progresses. Default 10 min. */
  longestMs?: number;
  /** Tries after the first, of requests that may be repeated; default 3. */
  maxRetries?: number;
  /** Largest message accepted, in bytes; default 32 MiB. */
  maxBytes?: number;
  /** Most times one request may ask for input; default 10. */
  maxRounds?: number;
  /** In place of the global `fetch`. */
  fetch?: Fetch;
}

/** How one call is made. */
export interface RequestOptions {
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
  /** Limit on the whole call, its repetitions included. */
  timeoutMs?: number | undefined;
}

/** How a list or resource is read. */
export interface ReadOptions extends RequestOptions {
  /** Asks the server although it said that its last answer still holds. */
  fresh?: boolean;
}

/** How a tool is called. */
export interface ToolOptions extends RequestOptions {
  /** Asks for notifications of its progress. */
  progress?: boolean;
  /** The call may be sent again although it may have arrived. */
  repeatable?: boolean;
}

type Tell = (told: p.Notification) => void | Promise<void>;

const OK: Answer = { reply: { reply: "ok" } };
const ELAPSED: Answer = { reply: { reply: "elapsed" } };
const CANCELLED: Answer = { reply: { reply: "cancelled" } };

/**
 * A server, and what was found out about it. Calls may run side by side.
 *
 * Lists and resources that the server says hold for a while are not asked for again until then, or until it tells of a
 * change; `fresh` asks anyway.
 */
export class McpConnection {
  readonly #options: ConnectionOptions;
  readonly #form: string;
  readonly #sender: Sender;
  #connection: number | undefined;

  /** A connection to the endpoint at this address. Nothing is sent before the first call. */
  constructor(url: string | URL, options: ConnectionOptions = {}) {
    const origin = URL.canParse(url) ? new URL(url).origin : "";
    const endpoint: Endpoint = { url: origin, credential: secret(options) };
    const send: Fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#options = options;
    this.#form = form(String(url), options);
    this.#sender = new Sender((target) => (target === "server" ? endpoint : undefined), send);
  }

  /** What the server says about itself. */
  connect(options?: RequestOptions): Promise<p.ServerDescription> {
    return this.#run("connect", {}, options);
  }

  /** The tools that can be used. One whose marks for headers are wrong is left out. */
  async listTools({ fresh, ...options }: ReadOptions = {}): Promise<p.Tool[]> {
    return (await this.#run<{ tools: p.Tool[] }>("list_tools", { fresh }, options)).tools;
  }

  /** Calls a tool, and follows its work to the end where it goes on as a task. */
  callTool(name: string, input: object = {}, options: ToolOptions = {}): Promise<p.ToolResult> {
    return this.#run("call_tool", call(name, input, options), options);
  }

  /** Calls a tool; where it goes on as a task, that is the answer. */
  startTool(name: string, input: object = {}, options: ToolOptions = {}): Promise<p.ToolResult | p.Task> {
    return this.#run("call_tool", { ...call(name, input, options), wait: false }, options);
  }

  async listResources({ fresh, ...options }: ReadOptions = {}): Promise<p.Resource[]> {
    return (await this.#run<{ resources: p.Resource[] }>("list_resources", { fresh }, options)).resources;
  }

  async listResourceTemplates({ fresh, ...options }: ReadOptions = {}): Promise<p.ResourceTemplate[]> {
    const verb = "list_resource_templates";
    return (await this.#run<{ resourceTemplates: p.ResourceTemplate[] }>(verb, { fresh }, options)).resourceTemplates;
  }

  async readResource(uri: string, { fresh, ...options }: ReadOptions = {}): Promise<p.ResourceContents[]> {
    return (await this.#run<{ contents: p.ResourceContents[] }>("read_resource", { uri, fresh }, options)).contents;
  }

  async listPrompts({ fresh, ...options }: ReadOptions = {}): Promise<p.Prompt[]> {
    return (await this.#run<{ prompts: p.Prompt[] }>("list_prompts", { fresh }, options)).prompts;
  }

  /** Fills in a prompt. */
  async getPrompt(name: string, input?: Record<string, string>, options?: RequestOptions): Promise<p.PromptMessage[]> {
    const verb = "get_prompt";
    return (await this.#run<{ messages: p.PromptMessage[] }>(verb, { name, arguments: input }, options)).messages;
  }

  /** Completes the value of an argument of a prompt or resource template. */
  async complete(
    ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string },
    argument: { name: string; value: string },
    given?: Record<string, string>,
    options?: RequestOptions,
  ): Promise<p.Completion> {
    const input = { ref, argument, context: given && { arguments: given } };
    return (await this.#run<{ completion: p.Completion }>("complete", input, options)).completion;
  }

  /** How far a task is. */
  getTask(taskId: string, options?: RequestOptions): Promise<p.Task> {
    return this.#run("get_task", { taskId }, options);
  }

  /** Answers what a task asks, under the keys of its questions. */
  async updateTask(taskId: string, inputResponses: Record<string, unknown>, options?: RequestOptions): Promise<void> {
    await this.#run("update_task", { taskId, inputResponses }, options);
  }

  /** Asks a task to end. */
  async cancelTask(taskId: string, options?: RequestOptions): Promise<void> {
    await this.#run("cancel_task", { taskId }, options);
  }

  /** Any method, for what has no name of its own here. */
  request(method: string, params?: object, options?: RequestOptions): Promise<Record<string, unknown>> {
    return this.#run("request", { method, params }, options);
  }

  /**
   * The server's news as they come, until it ends the subscription or the loop is left.
   *
   * `notifications/subscriptions/acknowledged` is the begin, and each new one after a break: what changed in between
   * was not told.
   */
  async *listen(news: p.News, options: RequestOptions = {}): AsyncGenerator<p.Notification, void> {
    const leaving = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, leaving.signal]) : leaving.signal;
    const box = new Mailbox<p.Notification>();
    const ended = this.#run("listen", wanted(news), { ...options, signal }, (told) => box.put(told)).then(
      () => box.end(),
      (error: unknown) => box.end(error),
    );
    try {
      yield* box.take();
    } finally {
      leaving.abort();
      await ended;
    }
  }

  /** Ends the session, where the server has one. */
  async close(options: RequestOptions = {}): Promise<void> {
    if (this.#connection === undefined) return;
    try {
      await this.#run("close", {}, { timeoutMs: 10_000, ...options });
    } finally {
      wasm.disconnect(this.#connection);
      this.#connection = undefined;
    }
  }

  async #run<Output>(verb: string, input: object, { signal, timeoutMs }: RequestOptions = {}, tell?: Tell): Promise<Output> {
    const flows = await loader.load();
    this.#connection ??= (end(flows.connect(this.#form)).value as { connection: number }).connection;
    const options = JSON.stringify(callForm(systemClock.mono(), { timeoutMs }));
    const handle = flows.start(this.#connection, verb, JSON.stringify(input), options, randomBytes());
    const call = new Call(this.#options, this.#sender, tell ?? this.#options.onNotification);
    try {
      return (await drive(flows, handle, call.perform, { signal })).value as Output;
    } catch (error) {
      throw call.thrown ? call.thrown.error : error;
    } finally {
      call.streams.close();
    }
  }
}

/** What performs the effects of one flow. */
class Call {
  readonly streams: Streams;
  /** What the page threw where it was asked: the end of the call. */
  thrown: { error: unknown } | undefined;

  constructor(
    readonly options: ConnectionOptions,
    readonly sender: Sender,
    readonly tell: Tell | undefined,
  ) {
    this.streams = new Streams(sender);
  }

  readonly perform = performer("a connection", {
    send: (request, parts, signal) => this.sender.send(request, parts, signal),
    open: (request, parts, signal) => this.streams.open(request, parts, signal),
    read: ({ stream, timeout_ms }, _, signal) => this.streams.read(stream, timeout_ms, signal),
    shut: ({ stream }) => this.streams.shut(stream),
    sleep: async ({ ms }, _, signal) => {
      await sleep(ms, signal);
      return ELAPSED;
    },
    ask: ({ method, params }) => this.#unlessThrown(() => this.#ask(method, params)),
    tell: ({ method, params }) =>
      this.#unlessThrown(async () => {
        await this.tell?.({ method, params: (params ?? {}) as Record<string, unknown> });
        return OK;
      }),
  });

  async #unlessThrown(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      this.thrown = { error };
      return CANCELLED;
    }
  }

  async #ask(method: string, params: unknown): Promise<Answer> {
    const value = method === "authorize" ? await this.#authorize(params) : await this.options.answer?.(method, params as never);
    if (value !== undefined) return { reply: { reply: "answer", value } };
    return { reply: { reply: "unsupported", reason: `nobody answers \`${method}\`` } };
  }

  async #authorize(params: unknown): Promise<string | undefined> {
    const { url, redirect_uri } = params as { url: string; redirect_uri: string };
    return this.options.oauth?.authorize?.(url, redirect_uri);
  }
}

function call(name: string, input: object, { progress, repeatable }: ToolOptions): object {
  return { name, arguments: input, progress, repeatable };
}

/** The options as the core reads them. */
function form(url: string, options: ConnectionOptions): string {
  const { era = "auto", answer, capabilities = answer ? { elicitation: {} } : {}, oauth } = options;
  return JSON.stringify({
    url,
    era: era === "auto" || era === "modern" ? era : { legacy: era },
    client_info: options.clientInfo,
    capabilities,
    timeout_ms: options.timeoutMs,
    longest_ms: options.longestMs,
    max_retries: options.maxRetries,
    max_bytes: options.maxBytes,
    max_rounds: options.maxRounds,
    oauth: oauth && {
      grant: oauth.grant,
      redirect_uri: oauth.redirectUri,
      client_name: oauth.clientName,
      client_metadata_url: oauth.clientMetadataUrl,
      client_id: oauth.clientId,
      client_secret: oauth.clientSecret,
      issuer: oauth.issuer,
      scopes: oauth.scopes,
    },
  });
}

/** The kinds of news as `subscriptions/listen` names them. */
function wanted({ tools, prompts, resources, resourceUris, taskIds }: p.News): object {
  const asked = (flag: boolean | undefined) => flag || undefined;
  return {
    toolsListChanged: asked(tools),
    promptsListChanged: asked(prompts),
    resourcesListChanged: asked(resources),
    resourceSubscriptions: resourceUris,
    taskIds,
  };
}

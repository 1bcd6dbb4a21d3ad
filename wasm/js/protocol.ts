/** Shapes of MCP, as far as callers need them. Members this library does not know come through as they are. */

/** A revision of the protocol with a handshake. */
export type Legacy = "2025-11-25" | "2025-06-18" | "2025-03-26" | "2024-11-05";

type Open = { [member: string]: unknown };

/** What a server says about itself, as far as it said it. */
export interface ServerDescription extends Open {
  protocolVersion: string;
  capabilities?: Record<string, unknown>;
  serverInfo?: { name: string; version: string; [member: string]: unknown };
  instructions?: string;
}

/** A tool as its server describes it; its schemas come through unchanged. */
export interface Tool extends Open {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Record<string, unknown>;
  outputSchema?: Record<string, unknown>;
  annotations?: Record<string, unknown>;
}

export type Content =
  | ({ type: "text"; text: string } & Open)
  | ({ type: "image" | "audio"; data: string; mimeType: string } & Open)
  | ({ type: "resource_link"; uri: string; name: string } & Open)
  | ({ type: "resource"; resource: ResourceContents } & Open);

/** The result of a tool. One with `isError` is a result too: read its text. */
export interface ToolResult extends Open {
  content: Content[];
  structuredContent?: unknown;
  isError?: boolean;
}

export interface Resource extends Open {
  uri: string;
  name: string;
  mimeType?: string;
}

export interface ResourceTemplate extends Open {
  uriTemplate: string;
  name: string;
  mimeType?: string;
}

export interface ResourceContents extends Open {
  uri: string;
  mimeType?: string;
  text?: string;
  /** Base64. */
  blob?: string;
}

export interface Prompt extends Open {
  name: string;
  description?: string;
  arguments?: { name: string; description?: string; required?: boolean }[];
}

export interface PromptMessage {
  role: "user" | "assistant";
  content: Content;
}

export interface Completion extends Open {
  values: string[];
  total?: number;
  hasMore?: boolean;
}

/** A call that goes on as a task. */
export interface Task extends Open {
  taskId: string;
  status: "working" | "input_required" | "completed" | "failed" | "cancelled";
  statusMessage?: string;
  /** What it asks, to be answered with `updateTask` under the same keys. */
  inputRequests?: Record<string, { method: string; params?: unknown }>;
  result?: ToolResult;
  error?: { code: number; message: string; data?: unknown };
}

/** Something a server told. */
export interface Notification {
  method: string;
  params: Record<string, unknown>;
}

/** Kinds of news. */
export interface News {
  tools?: boolean;
  prompts?: boolean;
  resources?: boolean;
  /** URIs of resources. */
  resourceUris?: string[];
  /** Ids of tasks. */
  taskIds?: string[];
}

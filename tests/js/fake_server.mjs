// A server on loopback that answers from a script, in the envelope of the real one.

import { createServer } from "node:http";

/** The answer of a beam-mcp server. */
export const envelope = (data, error = null) =>
  JSON.stringify({ success: error === null, message: "", data, error, context: {}, metadata: { request_id: "r1" } });

/** An error object. */
export const refusal = (code, more = {}) => ({
  code,
  message: "no",
  details: { reason: code, suggestion: "do something else" },
  request_id: "r1",
  retryable: false,
  ...more,
});

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Runs `use(url, requests)` beside a server whose `script(request, response)` answers; it sees the body as `request.bytes`. */
export async function serving(script, use) {
  const requests = [];
  const server = createServer(async (request, response) => {
    request.bytes = await body(request).catch(() => Buffer.alloc(0));
    requests.push(request);
    await script(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}`, requests);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** A script that answers with data, or with an error object and its status. */
export const answering = (data, error, status = error ? 400 : 200) => (_, response) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(envelope(data ?? {}, error));
};

//! S1's home-made handshake: its exact bodies are accepted, nothing is kept, the answer names the real endpoint.

use serde_json::json;

use super::{
    documents::page,
    envelope::answer,
    route::{Input, PageFuture},
};
use crate::{engine::HttpRequest, verb::Context};

/// Answers with a connection id: a label for correlation, bound to nothing, valid at every instance.
pub(super) fn initialize(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        let connection = context.call.seed.hex128("connection");
        let data = json!({
            "protocol_version": input.get("protocol_version").cloned().unwrap_or_else(|| "1.0".into()),
            "connection_id": connection,
            "server": {"name": context.state.config.service_name, "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "tool.job_management": {"supported": true, "version": "1.0"},
                "beam.runners": {"supported": true, "version": "1.0"},
            },
            "mcp_endpoint": "/mcp",
        });
        let mut response = answer(&context, 200, "this handshake is kept for old clients; MCP is at /mcp".into(), data);
        response.headers.push(("x-mcp-connection-id".into(), connection));
        Ok(response)
    })
}

/// Nothing to do: nothing was kept.
pub(super) fn accepted(context: Context, _: HttpRequest, _: Input) -> PageFuture {
    page(async move { Ok(answer(&context, 202, "accepted".into(), json!({}))) })
}

//! `beam-mcp-conformance [--sessions] READY_FILE`: serves the suite's surface at `/mcp` on a free loopback port, which
//! it writes to that file.
//!
//! Only the surface is made for the suite: protocol, HTTP edge, driver and topics are those of the product.

mod asking;
mod prompts;
mod resources;
mod surface;
mod tasks;

use std::{error::Error, sync::Arc, time::Duration};

use beam_mcp_core::{
    Call, Flow,
    auth::{Caller, Role},
    config::Config,
    effect::Response,
    engine::{BodyRule, Inbound, Share, Snapshot},
    mcp,
};
use beam_mcp_server::{
    edge::{Edge, Gate, listen},
    entry::Entry,
    setup::Setup,
};
use serde_json::json;
use surface::Fixture;
use tokio::net::TcpListener;

/// The surface behind a gate, as the engine is behind its own.
struct Server {
    surface: Arc<Fixture>,
    gate: Gate,
}

impl Entry for Server {
    fn body_rule(&self, _: &str, _: &str) -> BodyRule {
        BodyRule::Buffer(1 << 20)
    }

    fn handle(&self, inbound: Inbound, mut call: Call) -> Flow<Response> {
        call.caller = Caller::with_role("suite", Role::Operator);
        let surface = Arc::clone(&self.surface);
        match inbound {
            Inbound::Http(request) => {
                let admitted = self.gate.check(&request);
                Flow::new(move |io| async move {
                    match admitted {
                        Ok(()) => mcp::http(io, surface, *request, call).await,
                        Err(error) => Ok(Response::json(error.kind().door().http, &error.to_json())),
                    }
                })
            }
            Inbound::Line(line) => Flow::new(move |io| mcp::line(io, surface, line, call)),
        }
    }

    fn shares(&self) -> Vec<Share> {
        vec![Share::All]
    }

    fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
        Vec::new()
    }

    fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
        Flow::new(|_| async { Ok(Duration::from_secs(60)) })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let sessions = arguments.first().is_some_and(|first| first == "--sessions");
    let ready = arguments.pop().filter(|last| last != "--sessions").ok_or("usage: [--sessions] READY_FILE")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(sessions, &ready))
}

async fn serve(sessions: bool, ready: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let authorities = vec![format!("localhost:{port}"), format!("127.0.0.1:{port}")];
    let origins = authorities.iter().map(|authority| format!("http://{authority}")).collect();
    let gate = Gate { authorities, origins, ..Gate::default() };
    let config = Config::from_json(&json!({"targets": {"unused": {"runner": "simulator"}}}))?;
    let setup = Setup { config, folder: None, cache_bytes: 0 };
    let driver = Arc::new(setup.driver(true).map_err(|failure| failure.message)?);
    let entry: Arc<dyn Entry> = Arc::new(Server { surface: Arc::new(Fixture::new(sessions)), gate: gate.clone() });
    std::fs::write(format!("{ready}.new"), format!("{port}\n"))?;
    std::fs::rename(format!("{ready}.new"), ready)?;
    listen(Arc::new(Edge::new(driver, entry, gate, 256)), vec![listener]).await;
    Ok(())
}

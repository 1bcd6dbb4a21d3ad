//! `beam-mcp-conformance [--sessions] READY_FILE`: serves the suite's surface at `/mcp` on a free loopback port, which
//! it writes to that file.

use std::{error::Error, sync::Arc};

use beam_mcp_conformance::{Conformance, config, native::Served};
use beam_mcp_core::engine::Host;
use beam_mcp_server::{
    edge::{Edge, Gate, listen},
    setup::Setup,
};
use tokio::net::TcpListener;

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
    let origins: Vec<String> = authorities.iter().map(|authority| format!("http://{authority}")).collect();
    let setup = Setup { config: config(&origins)?, folder: None, cache_bytes: 0 };
    let driver = Arc::new(setup.driver(true).map_err(|failure| failure.message)?);
    let host = Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: authorities.clone(),
        durable: false,
        longest_wait_ms: 600_000,
        streams: true,
    };
    let config = config(&origins)?;
    let made = if sessions { Conformance::with_sessions(config, host) } else { Conformance::new(config, host)? };
    let entry = Arc::new(Served(made));
    std::fs::write(format!("{ready}.new"), format!("{port}\n"))?;
    std::fs::rename(format!("{ready}.new"), ready)?;
    let gate = Gate { authorities, origins, ..Gate::default() };
    listen(Arc::new(Edge::new(driver, entry, gate, 256)), vec![listener]).await;
    Ok(())
}

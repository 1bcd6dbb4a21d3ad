//! `beam-mcp-server serve`: listens, reconciles, and stops in order.

use std::{
    io::{self, Read as _},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use beam_mcp_core::engine::{Engine, Host};
use tokio::{
    net::{TcpListener, lookup_host},
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use crate::{
    driver::Driver,
    edge::{Edge, Gate, listen},
    entry::Entry,
    job_api,
    logging::{Level, Line},
    options::Options,
    reconcile::reconcile,
    setup::{Failure, Setup},
    tasks::Phase,
};

/// Ports the printed examples of the seeds use.
const COMPAT_PORTS: [u16; 2] = [8080, 8700];
const DRAIN: Duration = Duration::from_secs(6);
const CANCEL: Duration = Duration::from_secs(2);
/// Longest a caller of `/savepoint`, `/scale` or `/cancel` is kept waiting.
const LONGEST_WAIT_MS: u64 = 600_000;
/// File descriptors kept for files, stores and runners.
const RESERVED_FILES: u64 = 64;

/// Serves until a signal (or the parent's end) and a graceful stop.
///
/// # Errors
/// What keeps the server from starting.
pub async fn serve(options: &Options, setup: &Setup) -> Result<(), Failure> {
    let listeners = bind(options, setup).await?;
    let addresses = addresses(&listeners)?;
    let loopback_only = addresses.iter().all(|address| address.ip().is_loopback());
    check_posture(setup, loopback_only, options.insecure)?;
    let driver = Arc::new(setup.driver(loopback_only)?);
    let host = Host {
        kind: "server".into(),
        // Who says --insecure vouches for everyone who can reach the address.
        loopback_only: loopback_only || options.insecure,
        authorities: authorities(setup, &addresses),
        durable: driver.store.is_durable(),
        longest_wait_ms: LONGEST_WAIT_MS,
        streams: true,
    };
    let gate = gate(setup, &host);
    let engine = Engine::new(setup.config.clone(), host).map_err(|error| Failure::config(error.message()))?;
    let entry: Arc<dyn Entry> = Arc::new(engine);
    let max_connections = max_connections(setup);
    let edge = Edge::new(driver.clone(), entry.clone(), gate, max_connections);
    let serving = tokio::spawn(listen(Arc::new(edge), listeners));
    if let Some(door) = &setup.config.job_api {
        open_job_api(door.port, driver.clone(), entry.clone()).await?;
    }
    tokio::spawn(reconcile(driver.clone(), entry));
    announce(options, &addresses, loopback_only)?;
    let outcome = tokio::select! {
        asked = stop_asked_for(options.exit_with_parent) => asked,
        reason = driver.store.broken() => Err(Failure::io(format!("stopping, the store cannot be trusted: {reason}"))),
    };
    stop(&driver).await;
    serving.abort();
    outcome
}

/// Opens the door for SDK programs.
async fn open_job_api(port: u16, driver: Arc<Driver>, entry: Arc<dyn Entry>) -> Result<(), Failure> {
    let refused = |error: io::Error| Failure::unavailable(format!("cannot listen on 127.0.0.1:{port}: {error}"));
    let listener = job_api::bind(port).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    eprintln!("beam-mcp-server: Beam's Job API on {address}");
    tokio::spawn(job_api::listen(job_api::Door { driver, entry }, listener));
    Ok(())
}

async fn bind(options: &Options, setup: &Setup) -> Result<Vec<TcpListener>, Failure> {
    let server = &setup.config.server;
    let compat = COMPAT_PORTS.into_iter().filter(|port| options.compat && *port != server.port);
    let mut listeners = Vec::new();
    for port in std::iter::once(server.port).chain(compat) {
        let refused =
            |error: io::Error| Failure::unavailable(format!("cannot listen on {}:{port}: {error}", server.host));
        let address: Vec<SocketAddr> = lookup_host((server.host.as_str(), port)).await.map_err(refused)?.collect();
        if !address.iter().all(|address| address.ip().is_loopback()) {
            check_posture(setup, false, options.insecure)?;
        }
        listeners.push(TcpListener::bind(&address[..]).await.map_err(refused)?);
    }
    Ok(listeners)
}

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, Failure> {
    let addresses: io::Result<Vec<_>> = listeners.iter().map(TcpListener::local_addr).collect();
    addresses.map_err(|error| Failure::io(error.to_string()))
}

/// Refuses what would be open to others (security-reliability.md O3), and a door nobody has a key for.
fn check_posture(setup: &Setup, loopback_only: bool, insecure: bool) -> Result<(), Failure> {
    let auth = &setup.config.auth;
    if auth.enabled == Some(true) && auth.tokens.is_empty() {
        return Err(Failure::config("`auth.enabled` is true but `auth.tokens` is empty: nobody could call"));
    }
    let open = auth.enabled == Some(false) || auth.tokens.is_empty();
    if loopback_only || insecure || !open {
        return Ok(());
    }
    Err(Failure::config(format!(
        "refusing to listen on {}: others could run jobs and code without a token. Configure `auth.tokens` (name, \
         sha256, role), listen on 127.0.0.1, or say --insecure if everyone who can reach the address may do everything",
        setup.config.server.host
    )))
}

/// Names by which the server may be called. A server that listens everywhere cannot know them all: with tokens it
/// takes any, unless `auth.allowed_hosts` names them.
fn authorities(setup: &Setup, addresses: &[SocketAddr]) -> Vec<String> {
    let everywhere = addresses.iter().any(|address| address.ip().is_unspecified());
    if everywhere && setup.config.auth.allowed_hosts.is_empty() {
        return Vec::new();
    }
    let host = setup.config.server.host.as_str();
    let mut names: Vec<String> = addresses
        .iter()
        .flat_map(|address| {
            let port = address.port();
            let known =
                [host.to_owned(), "localhost".into(), "127.0.0.1".into(), "[::1]".into(), literal(address.ip())];
            known.map(|name| if port == 80 { name } else { format!("{name}:{port}") })
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn gate(setup: &Setup, host: &Host) -> Gate {
    let auth = &setup.config.auth;
    let required = auth.enabled.unwrap_or(!host.loopback_only || !auth.tokens.is_empty());
    let authorities = if host.authorities.is_empty() {
        Vec::new()
    } else {
        host.authorities.iter().chain(&auth.allowed_hosts).cloned().collect()
    };
    let tokens = if required { auth.tokens.clone() } else { Vec::new() };
    Gate { authorities, origins: auth.allowed_origins.clone(), tokens, closed: required }
}

/// The configured number, or what the limit on open files leaves room for.
fn max_connections(setup: &Setup) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::from(setup.config.server.max_connections.max(1));
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted + RESERVED_FILES;
    if limit.current.is_some_and(|current| current < needed) {
        let raised = limit.maximum.map_or(needed, |most| most.min(needed));
        // A refusal shows in the limit read next.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    }
    let room = getrlimit(Resource::Nofile).current.map_or(wanted, |files| files.saturating_sub(RESERVED_FILES).max(1));
    if room < wanted {
        Line::new(Level::Warn, "fewer_connections").value("wanted", wanted).value("possible", room).send();
    }
    usize::try_from(wanted.min(room)).unwrap_or(usize::MAX)
}

fn announce(options: &Options, addresses: &[SocketAddr], loopback_only: bool) -> Result<(), Failure> {
    if options.insecure && !loopback_only {
        eprintln!("beam-mcp-server: INSECURE: everyone who can reach this address may do everything");
    }
    for address in addresses {
        eprintln!("beam-mcp-server: listening on http://{}:{}", literal(address.ip()), address.port());
    }
    let first = addresses.first().map_or(0, SocketAddr::port);
    options.ready_file.as_deref().map_or(Ok(()), |path| write_ready(path, first))
}

/// The port appears whole or not at all.
fn write_ready(path: &Path, port: u16) -> Result<(), Failure> {
    let beside = path.with_extension("tmp");
    let written = std::fs::write(&beside, format!("{port}\n")).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| Failure::io(format!("ready file {}: {error}", path.display())))
}

/// Returns at the first SIGTERM or SIGINT, or at the end of standard input where the parent owns the server.
async fn stop_asked_for(with_parent: bool) -> Result<(), Failure> {
    let mut signals = Signals::watch()?;
    let parent_gone = Arc::new(Notify::new());
    if with_parent {
        watch_parent(parent_gone.clone());
    }
    tokio::select! {
        () = signals.any() => {}
        () = parent_gone.notified() => {}
    }
    Ok(())
}

/// The signals that ask the process to stop.
pub(crate) struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn watch() -> Result<Self, Failure> {
        let watch = |kind| signal(kind).map_err(|error| Failure::io(format!("signals: {error}")));
        Ok(Self { term: watch(SignalKind::terminate())?, interrupt: watch(SignalKind::interrupt())? })
    }

    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A thread and not a task: a blocking read of standard input would keep the runtime from ending.
fn watch_parent(gone: Arc<Notify>) {
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
        gone.notify_one();
    });
}

/// Refuses new work, lets the rest end, cancels what need not be finished; 10 s at most.
pub(crate) async fn stop(driver: &Driver) {
    Line::new(Level::Info, "stopping").send();
    driver.stop.advance(Phase::Draining);
    if !driver.tasks.idle(DRAIN).await {
        driver.stop.advance(Phase::Cancelling);
        if !driver.tasks.idle(CANCEL).await {
            Line::new(Level::Warn, "stopped_with_work_left").send();
        }
    }
    if let Some(processes) = &driver.processes {
        processes.stop();
    }
    driver.store.close();
    Line::new(Level::Info, "stopped").send();
}

//! One task per child, from its start (or adoption) to its end.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ChildStdin, ExitStatus},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use beam_mcp_core::effect::LogStream;
use process_wrap::std::ChildWrapper;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{PidfdFlags, Signal, pidfd_open},
};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    folder::{Exit, Folder},
    identity::Identity,
};
use crate::logging::{Level, Line};

/// How often time and output are compared with their limits.
const TICK: Duration = Duration::from_millis(500);

/// A child that runs or waits.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    pub(super) folder: Folder,
    pub(super) target: String,
    /// The other end of its standard input, until it is released or given up.
    pub(super) pipe: Mutex<Option<ChildStdin>>,
    /// Unix milliseconds at which it is killed.
    pub(super) ends_at_ms: Option<u64>,
}

impl Entry {
    pub(super) fn take_pipe(&self) -> Option<ChildStdin> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn is_held(&self) -> bool {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// What a child is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How long it may wait for its release.
    pub(super) hold: Duration,
    /// Most bytes of disk for each output file.
    pub(super) log_bytes: u64,
}

/// Waits for the end, sweeps what is left of the group and writes down how it ended.
pub(super) async fn watch(entry: &Entry, child: Option<Box<dyn ChildWrapper>>, rules: Rules) {
    let limit = until_end(entry, rules).await;
    let child_is_anothers = child.is_none();
    entry.identity.signal_group(Signal::KILL);
    let status = match child {
        Some(child) => tokio::task::spawn_blocking(move || reap(child)).await.ok().flatten(),
        None => None,
    };
    if child_is_anothers {
        // The server that started it knows more; what it writes down comes first.
        tokio::time::sleep(TICK).await;
        if entry.folder.exit().is_some() {
            return;
        }
    }
    let exit = Exit {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        limit: limit.map(str::to_owned),
    };
    if let Err(error) = entry.folder.set_exit(&exit) {
        Line::new(Level::Error, "exit_not_kept").text("cause", Some(&error.kind().to_string())).send();
    }
}

fn reap(mut child: Box<dyn ChildWrapper>) -> Option<ExitStatus> {
    child.wait().ok()
}

/// Returns the limit for which it was killed.
async fn until_end(entry: &Entry, rules: Rules) -> Option<&'static str> {
    let mut end = ending(entry.identity);
    let mut told = true;
    let held_until = Instant::now() + rules.hold;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut limit = None;
    loop {
        tokio::select! {
            ended = &mut end, if told => told = ended.is_ok(),
            _ = ticks.tick() => {}
        }
        if !entry.identity.is_alive() {
            return limit;
        }
        if Instant::now() >= held_until {
            drop(entry.take_pipe());
        }
        if limit.is_none() {
            limit = passed_limit(entry, rules.log_bytes);
        }
        if limit.is_some() {
            entry.identity.signal_group(Signal::KILL);
        }
    }
}

/// Told when the process ends, by a thread that does nothing else. Older kernels have no such thing to wait for; there
/// the ticks notice.
fn ending(identity: Identity) -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let process = identity.pid().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let wait = move || {
        let readable = process.is_some_and(|process| poll(&mut [PollFd::new(&process, PollFlags::IN)], None).is_ok());
        // Without a receiver nobody watches any more.
        let _ = if readable { ended.send(()) } else { Ok(()) };
    };
    // Where no thread can be had, the ticks notice too.
    let _ = thread::Builder::new().name("child".into()).stack_size(64 << 10).spawn(wait);
    end
}

fn passed_limit(entry: &Entry, log_bytes: u64) -> Option<&'static str> {
    if entry.ends_at_ms.is_some_and(|end| now_ms() >= end) {
        return Some("wall_ms");
    }
    let full =
        |stream| entry.folder.trim(stream, log_bytes).is_err_and(|error| error.kind() != io::ErrorKind::NotFound);
    [LogStream::Stderr, LogStream::Stdout].into_iter().any(full).then_some("log_bytes")
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

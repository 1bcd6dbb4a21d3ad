//! Children of the server ([`crate::effects::Processes`]), on Linux.
//!
//! # Contract
//! 1. A child waits on a pipe until it is released; when the server ends first, or nobody releases it in time, it
//!    exits without doing anything.
//! 2. One token runs at most once: a second launch gets the first child's identity, or starts a child where none was
//!    ever released.
//! 3. A child outlives the server. The next server adopts it by process id and start time, with its limits. Where
//!    jobs are kept in memory only, children end with an orderly stop instead.
//! 4. When a child ends, whatever is left of its group is killed.
//! 5. A child sees a cleared environment, its own folder and session, cannot gain privileges and cannot read the
//!    server's memory. It runs as the server's user: what that user may read, it may read.

mod folder;
mod identity;
mod launch;
mod observe;
mod program;
mod spawn;
mod watch;

#[cfg(test)]
mod tests;

pub use program::Python;

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_mcp_core::{
    config::Config,
    effect::{Handle, Launch, Limits, Query, Refusal, Reply, Signal},
};
use process_wrap::std::ChildWrapper;
use rustix::process::{DumpableBehavior, Signal as Sign, set_dumpable_behavior};
use tokio::runtime;

use crate::{
    effects::{Processes, Work},
    stage::{Artifacts, job_server},
};
use folder::{Folder, Record};
use identity::Identity;
use program::Versions;
use watch::{Entry, Rules};

/// What the supervisor starts and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's data folder; the children's folders lie in `jobs` beneath it.
    pub data: PathBuf,
    /// The Python of each target.
    pub pythons: BTreeMap<String, Python>,
    /// The job-server jar of each target that has one.
    pub job_servers: BTreeMap<String, PathBuf>,
    /// Limits where a launch says nothing.
    pub limits: Limits,
    /// Most bytes of disk for each output file; beyond it the oldest half is dropped.
    pub log_bytes: u64,
    /// How long a child may wait for its release.
    pub hold: Duration,
    /// Children outlive the server, because their jobs do.
    pub outlive: bool,
}

impl Settings {
    /// Those of a configuration: files of at most 16 GiB, 256 MiB of each output, 2 minutes to be released.
    /// `outlive` says whether jobs are kept when the server ends.
    pub fn of(config: &Config, data: &Path, outlive: bool) -> Self {
        Self {
            data: data.to_owned(),
            pythons: program::pythons(config),
            job_servers: job_server::of(config),
            limits: Limits { file_bytes: Some(16 << 30), ..Limits::default() },
            log_bytes: 256 << 20,
            hold: Duration::from_secs(120),
            outlive,
        }
    }
}

/// A file that the child of a token left in `artifacts` of its folder, in the folder of all children.
///
/// # Errors
/// What the system says; `NotFound` also for a name that is none.
pub(crate) fn left(jobs: &Path, token: &str, name: &str) -> io::Result<fs::File> {
    Folder::of(jobs, token).ok_or(io::ErrorKind::NotFound)?.artifact(name)
}

/// Starts children and watches them.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    jobs: PathBuf,
    wrapper: PathBuf,
    artifacts: Artifacts,
    children: Mutex<BTreeMap<String, Arc<Entry>>>,
    /// One launch at a time: what is found out before a start holds until it.
    launching: tokio::sync::Mutex<()>,
    versions: Versions,
    /// Children are watched here, whatever runtime a launch was asked on.
    runtime: runtime::Handle,
}

impl Supervisor {
    /// Starts on the current runtime and adopts the children an earlier server left running.
    ///
    /// # Errors
    /// What the system says when the folder cannot be used.
    pub fn start(settings: Settings, artifacts: Artifacts) -> io::Result<Self> {
        // A child of the same user could read the environment and memory of a server that may be dumped.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        let jobs = std::path::absolute(settings.data.join(crate::stage::JOBS))?;
        fs::create_dir_all(&jobs)?;
        Folder::close_to_others(&jobs)?;
        let inner = Inner {
            wrapper: program::install_wrapper(&jobs)?,
            settings,
            jobs,
            artifacts,
            children: Mutex::default(),
            launching: tokio::sync::Mutex::default(),
            versions: Versions::default(),
            runtime: runtime::Handle::try_current().map_err(io::Error::other)?,
        };
        let supervisor = Self(Arc::new(inner));
        supervisor.adopt()?;
        Ok(supervisor)
    }

    /// Number of children that run or wait.
    pub fn running(&self) -> usize {
        self.children().len()
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self, token: &str) -> Option<Arc<Entry>> {
        self.children().get(token).cloned()
    }

    fn adopt(&self) -> io::Result<()> {
        for name in fs::read_dir(&self.0.jobs)?.flatten().map(|entry| entry.file_name()) {
            let Some((token, folder)) = name.to_str().and_then(|token| Some((token, self.folder(token)?))) else {
                continue;
            };
            if let Some(record) = folder.record().filter(|record| record.identity.is_alive()) {
                self.enter(token, folder, record, None);
            }
        }
        Ok(())
    }

    fn folder(&self, token: &str) -> Option<Folder> {
        Folder::of(&self.0.jobs, token)
    }

    fn enter(&self, token: &str, folder: Folder, record: Record, child: Option<Box<dyn ChildWrapper>>) {
        let mut child = child;
        let pipe = child.as_mut().and_then(|child| child.stdin().take());
        let Record { identity, target, ends_at_ms } = record;
        let entry = Arc::new(Entry { identity, folder, target, pipe: Mutex::new(pipe), ends_at_ms });
        self.children().insert(token.to_owned(), Arc::clone(&entry));
        let (supervisor, token) = (self.clone(), token.to_owned());
        let rules = Rules { hold: self.0.settings.hold, log_bytes: self.0.settings.log_bytes };
        self.0.runtime.spawn(async move {
            watch::watch(&entry, child, rules).await;
            supervisor.children().remove(&token);
        });
    }

    fn act(&self, handle: &Handle, signal: Signal) {
        let identity = identity_of(handle);
        let entry = self.child(&handle.folder).filter(|entry| entry.identity == identity);
        // Another server on the same folder may have started it.
        let recorded = || self.folder(&handle.folder).and_then(|folder| folder.record());
        if entry.is_none() && recorded().is_none_or(|record| record.identity != identity || !identity.is_alive()) {
            return;
        }
        match (signal, entry) {
            (Signal::Release, Some(entry)) => release(&entry),
            (Signal::Release, None) => {}
            (Signal::Term, _) => identity.signal_group(Sign::TERM),
            (Signal::Kill, _) => identity.signal_group(Sign::KILL),
        }
    }
}

impl Processes for Supervisor {
    fn launch(&self, launch: Launch) -> Work<'_, Reply> {
        let supervisor = self.clone();
        let work = self.0.runtime.spawn(async move { supervisor.start_child(launch).await });
        Box::pin(async move {
            match work.await {
                Ok(started) => started.map_or_else(Reply::Refused, Reply::Held),
                Err(_) => Reply::Refused(refusal("no_program", "the server stops")),
            }
        })
    }

    fn signal(&self, handle: Handle, signal: Signal) -> Work<'_, Reply> {
        Box::pin(async move {
            self.act(&handle, signal);
            Reply::Ok
        })
    }

    fn observe(&self, handle: Handle, queries: Vec<Query>) -> Work<'_, Reply> {
        Box::pin(async move {
            let mut facts = Vec::with_capacity(queries.len());
            for query in queries {
                facts.push(self.answer(&handle, query).await);
            }
            Reply::Facts { facts }
        })
    }

    fn stop(&self) {
        if !self.0.settings.outlive {
            self.children().values().for_each(|entry| entry.identity.signal_group(Sign::KILL));
        }
    }
}

fn identity_of(handle: &Handle) -> Identity {
    Identity { pid: handle.pid, start_time: handle.start_time }
}

fn refusal(reason: &str, detail: &str) -> Refusal {
    Refusal { reason: reason.to_owned(), detail: detail.to_owned() }
}

/// The mark comes before the byte: a child that may have run is never started a second time.
fn release(entry: &Entry) {
    let Some(mut pipe) = entry.take_pipe() else { return };
    if entry.folder.set_released(entry.identity).is_ok() {
        // A child that is gone cannot take it; its end is seen by whoever looks next.
        let _ = pipe.write_all(b"R");
    }
}

//! Starting a child, at most once for each token.

use std::{io, path::Path, time::Duration};

use beam_mcp_core::effect::{Held, Launch, Limits, Refusal, SourceId};
use process_wrap::std::ChildWrapper;
use rustix::process::Signal;

use super::{
    Supervisor,
    folder::{Folder, Record},
    identity::Identity,
    program::{self, Python},
    refusal, spawn,
    watch::now_ms,
};

impl Supervisor {
    pub(super) async fn start_child(&self, launch: Launch) -> Result<Held, Refusal> {
        let folder = self.folder(&launch.folder).ok_or_else(|| refusal("bad_name", "not a job's folder"))?;
        let _one = self.0.launching.lock().await;
        if let Some(identity) = self.earlier(&launch.folder, &folder).await? {
            return Ok(held(identity));
        }
        let python = self.room(&launch.target)?;
        let plan = self.plan(&launch, &python, folder.clone()).await?;
        let (supervisor, files, target) = (self.clone(), launch.files, launch.target);
        let ends_at_ms = launch.limits.wall_ms.or(self.0.settings.limits.wall_ms).map(|ms| now_ms().saturating_add(ms));
        let start = move || supervisor.fill_and_spawn(&plan, &files, target, ends_at_ms);
        let started =
            tokio::task::spawn_blocking(start).await.map_err(|_| refusal("no_program", "the server stops"))?;
        let (record, child) = started.inspect_err(|_| drop(folder.remove()))?;
        let identity = record.identity;
        self.enter(&launch.folder, folder, record, Some(child));
        Ok(held(identity))
    }

    /// The child of an earlier launch of the token, if it was ever released or still waits for us.
    async fn earlier(&self, token: &str, folder: &Folder) -> Result<Option<Identity>, Refusal> {
        let waits_for_us = self.child(token).filter(|entry| entry.is_held()).map(|entry| entry.identity);
        if waits_for_us.is_some() {
            return Ok(waits_for_us);
        }
        if let Some(Record { identity, .. }) = folder.record() {
            if !folder.was_released(identity) {
                self.end_unreleased(token, identity).await?;
            }
            // Looked at once it is certain that nobody can let it go any more.
            if folder.was_released(identity) {
                return Ok(Some(identity));
            }
        }
        folder.remove().map(|()| None).map_err(|error| failed(&error))
    }

    /// Ends a child that did nothing yet and that its own server has left, or has forgotten.
    async fn end_unreleased(&self, token: &str, identity: Identity) -> Result<(), Refusal> {
        for _ in 0..100 {
            if !identity.is_alive() && self.child(token).is_none() {
                return Ok(());
            }
            identity.signal_group(Signal::KILL);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(refusal("unreadable", "an earlier child of the job does not end"))
    }

    fn room(&self, target: &str) -> Result<Python, Refusal> {
        let python = self.0.settings.pythons.get(target).cloned().unwrap_or_default();
        let running = self.children().values().filter(|entry| entry.target == target).count();
        if running >= usize::try_from(python.max_jobs).unwrap_or(usize::MAX) {
            return Err(refusal("limit", &format!("{running} jobs run on this target, which is its limit")));
        }
        Ok(python)
    }

    async fn plan(&self, launch: &Launch, python: &Python, folder: Folder) -> Result<spawn::Plan, Refusal> {
        if launch.program != "python" {
            return Err(refusal("no_program", "the host knows one program: python"));
        }
        let program = program::find(&python.interpreter)
            .ok_or_else(|| refusal("no_program", "the target's `python` is not there or cannot be run"))?;
        let env = program::environment(&program, &folder, &launch.env).await?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut argv = vec!["-I".to_owned(), text(&self.0.wrapper), text(folder.path())];
        argv.extend(launch.argv.iter().cloned());
        Ok(spawn::Plan { program, argv, env, folder, limits: self.limits(&launch.limits) })
    }

    fn limits(&self, asked: &Limits) -> Limits {
        let default = &self.0.settings.limits;
        Limits {
            memory_bytes: asked.memory_bytes.or(default.memory_bytes),
            cpu_seconds: asked.cpu_seconds.or(default.cpu_seconds),
            file_bytes: asked.file_bytes.or(default.file_bytes),
            wall_ms: asked.wall_ms.or(default.wall_ms),
        }
    }

    fn fill_and_spawn(
        &self,
        plan: &spawn::Plan,
        files: &[(String, SourceId)],
        target: String,
        ends_at_ms: Option<u64>,
    ) -> Result<(Record, Box<dyn ChildWrapper>), Refusal> {
        let folder = plan.folder.clone();
        let fill = || -> io::Result<()> {
            folder.create()?;
            files.iter().try_for_each(|(name, source)| folder.place(name, &mut self.0.artifacts.open_kept(source)?))
        };
        fill().map_err(|error| failed(&error))?;
        let mut child = spawn::spawn(plan).map_err(|error| unstartable(&error))?;
        let record = Identity::of(child.id()).map(|identity| Record { identity, target, ends_at_ms });
        let kept = record.ok_or(io::ErrorKind::NotFound.into()).and_then(|r| folder.set_record(&r).map(|()| r));
        match kept {
            Ok(record) => Ok((record, child)),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(&error))
            }
        }
    }
}

fn held(identity: Identity) -> Held {
    Held { pid: identity.pid, start_time: identity.start_time }
}

fn failed(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => refusal("disk_full", ""),
        io::ErrorKind::NotFound => refusal("not_found", "a staged file is gone"),
        kind => refusal("unreadable", &format!("the job's folder cannot be used: {kind}")),
    }
}

fn unstartable(error: &io::Error) -> Refusal {
    refusal("no_program", &format!("the target's `python` cannot be started: {}", error.kind()))
}

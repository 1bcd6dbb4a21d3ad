//! Questions about a child, answered from the system and from its folder.

use beam_mcp_core::effect::{Fact, Handle, Query};

use super::{
    Supervisor,
    folder::{Exit, Folder, first_of, no_file},
    identity_of,
    program::missing,
};
use crate::stage::job_server;

impl Supervisor {
    fn alive(&self, handle: &Handle, folder: &Folder) -> Fact {
        let identity = identity_of(handle);
        if self.child(&handle.folder).is_some_and(|entry| entry.identity == identity) {
            let released = folder.was_released(identity);
            return Fact::Alive { alive: true, exit_code: None, signal: None, limit: None, released };
        }
        let ours = folder.record().is_some_and(|record| record.identity == identity);
        let exit = folder.exit().filter(|_| ours);
        let alive = exit.is_none() && identity.is_alive();
        let Exit { code: exit_code, signal, limit } = exit.unwrap_or_default();
        Fact::Alive { alive, exit_code, signal, limit, released: folder.was_released(identity) }
    }

    pub(super) async fn answer(&self, handle: &Handle, query: Query) -> Fact {
        if let Query::Program { target, program } = &query {
            if program == "job_server" {
                return self.job_server(target).await;
            }
            let python = self.0.settings.pythons.get(target).cloned().unwrap_or_default();
            return self.0.versions.of(&python.interpreter).await;
        }
        let (supervisor, handle) = (self.clone(), handle.clone());
        let read = move || supervisor.read(&handle, &query);
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| nothing())
    }

    async fn job_server(&self, target: &str) -> Fact {
        let Some(path) = self.0.settings.job_servers.get(target).cloned() else { return missing() };
        tokio::task::spawn_blocking(move || job_server::fact(&path)).await.unwrap_or_else(|_| missing())
    }

    fn read(&self, handle: &Handle, query: &Query) -> Fact {
        if let Query::Source { id, max } = query {
            return self.0.artifacts.open_kept(id).and_then(|file| first_of(file, *max)).unwrap_or_else(|_| no_file());
        }
        let Some(folder) = self.folder(&handle.folder) else { return unknown(query) };
        match query {
            Query::Alive => self.alive(handle, &folder),
            Query::Result => folder.result(),
            Query::Log { stream, from, max } => folder.log(*stream, *from, *max),
            Query::File { name, max } => folder.file(name, *max),
            Query::Source { .. } | Query::Program { .. } => nothing(),
        }
    }
}

/// Facts of a handle that is none of ours.
fn unknown(query: &Query) -> Fact {
    match query {
        Query::Log { .. } => Fact::Log { from: 0, size: 0, data: Vec::new().into() },
        Query::Result => Fact::Result { state: None, result: None },
        Query::File { .. } | Query::Source { .. } => no_file(),
        Query::Alive | Query::Program { .. } => nothing(),
    }
}

fn nothing() -> Fact {
    Fact::Alive { alive: false, exit_code: None, signal: None, limit: None, released: false }
}

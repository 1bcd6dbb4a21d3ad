//! Files named by callers, kept under their hash ([`crate::effects::Staging`]).
//!
//! A path is opened beneath the configured roots without following a symbolic link, copied while it is hashed, and
//! from then on only the copy is used: what was checked is what runs.

mod archive;
mod artifacts;
mod beam_yaml;
pub mod job_server;
mod marks;
mod outline;
mod pipeline;
mod place;
mod roots;
mod upload;

#[cfg(test)]
mod tests;

pub use artifacts::Artifacts;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use beam_mcp_core::effect::{Origin, Recipe, Refusal, Reply, Source, SourceId, Use};

use crate::effects::{Opened, Receipt, Staging, Work};
use roots::Roots;

/// Largest upload or archive entry that is kept, whatever the caller allows, in bytes.
const MOST_BYTES: u64 = 4 << 30;
/// Folder of all children beneath the server's data.
pub(crate) const JOBS: &str = "jobs";

/// The roots and the kept copies.
#[derive(Clone, Debug)]
pub struct Files {
    artifacts: Artifacts,
    roots: Arc<Roots>,
    job_servers: Arc<BTreeMap<String, PathBuf>>,
    /// Folder of the supervisor's children.
    jobs: Option<Arc<Path>>,
}

impl Files {
    /// Reads beneath `roots` (relative ones are relative to the working directory) and keeps copies in `artifacts`.
    ///
    /// # Errors
    /// What the system says when a root cannot be opened.
    pub fn open(artifacts: Artifacts, roots: &[PathBuf]) -> io::Result<Self> {
        Ok(Self { artifacts, roots: Arc::new(Roots::open(roots)?), job_servers: Arc::default(), jobs: None })
    }

    /// The same with the job-server jar of each target that has one; the operator's paths, so no root limits them.
    #[must_use]
    pub fn with_job_servers(self, job_servers: BTreeMap<String, PathBuf>) -> Self {
        Self { job_servers: Arc::new(job_servers), ..self }
    }

    /// The same with what children leave in their folders, which lie in this one.
    #[must_use]
    pub fn with_jobs(self, jobs: &Path) -> Self {
        Self { jobs: Some(jobs.into()), ..self }
    }

    fn carry_out(&self, recipe: &Recipe) -> Result<Source, Refusal> {
        let most = recipe.max_bytes.min(MOST_BYTES);
        if let (Some(Use { job, over: true }), Origin::Artifact(id)) = (&recipe.used, &recipe.base) {
            self.give_up(id, job, recipe.place.as_deref())?;
        }
        let job = recipe.used.as_ref().filter(|used| !used.over).map(|used| used.job.as_str());
        let (base, file_name) = self.base(&recipe.base, most, job)?;
        let id = if recipe.add.is_empty() { base } else { self.with_entries(&base, &recipe.add, most, job)? };
        let wanted = job.is_some() || recipe.used.is_none();
        if let (Some(folder), Some(sha256), true) = (&recipe.place, artifacts::hex_of(&id), wanted) {
            place::put(self.artifacts.file(&id)?, sha256, Path::new(folder), job)?;
        }
        let mut source = self.describe(&id, file_name, recipe.entry_class.as_deref())?;
        if recipe.outline && outline::is_meant(&source.file_name) {
            source.outline = Some(outline::read(self.artifacts.file(&id)?).map_err(|error| unreadable(&error))?);
        }
        Ok(source)
    }

    /// A job that has ended needs nothing of it any more.
    fn give_up(&self, id: &SourceId, job: &str, folder: Option<&str>) -> Result<(), Refusal> {
        self.artifacts.give_up(id, job)?;
        match (folder, artifacts::hex_of(id)) {
            (Some(folder), Some(sha256)) => place::give_up(sha256, Path::new(folder), job),
            _ => Ok(()),
        }
    }

    fn base(&self, origin: &Origin, most: u64, job: Option<&str>) -> Result<(SourceId, String), Refusal> {
        match origin {
            Origin::Path(path) => {
                let mut file = self.roots.open_file(path)?;
                Ok((self.artifacts.keep(&mut file, most)?, last_segment(path)))
            }
            Origin::Bytes(blob) => {
                let copy = self.artifacts.copied(&mut blob.as_slice(), most)?;
                Ok((self.artifacts.keep_built(copy, job)?, String::new()))
            }
            Origin::Left { job: token, name } => {
                let jobs = self.jobs.as_deref().ok_or_else(|| refusal("not_found", ""))?;
                let mut file = left(jobs, token, name).map_err(|error| unreadable(&error))?;
                let copy = self.artifacts.copied(&mut file, most)?;
                Ok((self.artifacts.keep_built(copy, job)?, String::new()))
            }
            Origin::JobServer(target) => {
                let path = self.job_servers.get(target).ok_or_else(|| refusal("not_found", ""))?;
                let mut file = File::open(path).map_err(|error| unreadable(&error))?;
                Ok((self.artifacts.keep(&mut file, most)?, String::new()))
            }
            Origin::Artifact(id) => {
                let size = self.artifacts.size(id)?;
                if size > most { Err(too_large(most)) } else { Ok((id.clone(), self.artifacts.file_name(id))) }
            }
        }
    }

    fn with_entries(
        &self,
        base: &SourceId,
        add: &[(String, SourceId)],
        most: u64,
        job: Option<&str>,
    ) -> Result<SourceId, Refusal> {
        let mut incoming = self.artifacts.incoming(most)?;
        incoming.copy_from(&mut self.artifacts.file(base)?)?;
        for (name, source) in add {
            let mut entry = self.artifacts.file(source)?;
            archive::append(incoming.file(), name, &mut entry)?;
        }
        incoming.rehash()?;
        self.artifacts.keep_built(incoming, job)
    }

    fn describe(&self, id: &SourceId, file_name: String, class: Option<&str>) -> Result<Source, Refusal> {
        let file = self.artifacts.file(id)?;
        Ok(Source {
            id: id.clone(),
            sha256: artifacts::hex_of(id).unwrap_or_default().to_owned(),
            size: file.metadata().map_err(|error| unreadable(&error))?.len(),
            file_name,
            archive: archive::read(file, class)?,
            outline: None,
        })
    }
}

impl Staging for Files {
    fn stage(&self, recipe: Recipe) -> Work<'_, Reply> {
        let files = self.clone();
        Box::pin(
            async move { blocking(move || files.carry_out(&recipe)).await.map_or_else(Reply::Refused, Reply::Staged) },
        )
    }

    fn open<'a>(&'a self, source: &'a SourceId) -> Work<'a, io::Result<Opened>> {
        let (artifacts, source) = (self.artifacts.clone(), source.clone());
        Box::pin(async move {
            let file = tokio::task::spawn_blocking(move || artifacts.open_kept(&source)).await??;
            let size = file.metadata()?.len();
            Ok(Opened { file: tokio::fs::File::from_std(file), size })
        })
    }

    fn receive(&self, max_bytes: u64) -> Work<'_, io::Result<Box<dyn Receipt>>> {
        let files = self.clone();
        Box::pin(async move {
            let incoming = blocking(move || files.artifacts.incoming(max_bytes.min(MOST_BYTES)).map(|i| (files, i)));
            let (files, incoming) = incoming.await.map_err(|refusal| io::Error::other(refusal.reason))?;
            Ok(Box::new(upload::Upload::new(files, incoming)) as Box<dyn Receipt>)
        })
    }
}

/// Runs what blocks away from the runtime's own threads, to its end even when nobody waits any more.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(end) => end,
        Err(_) => Err(refusal("unreadable", "the server stops")),
    }
}

/// A file that a child left.
#[cfg(target_os = "linux")]
fn left(jobs: &Path, token: &str, name: &str) -> io::Result<File> {
    crate::process::left(jobs, token, name)
}

#[cfg(not(target_os = "linux"))]
fn left(_: &Path, _: &str, _: &str) -> io::Result<File> {
    Err(io::ErrorKind::NotFound.into())
}

fn last_segment(path: &str) -> String {
    Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn refusal(reason: &str, detail: &str) -> Refusal {
    Refusal { reason: reason.to_owned(), detail: detail.to_owned() }
}

fn too_large(most: u64) -> Refusal {
    refusal("too_large", &format!("the file has more than {most} bytes"))
}

/// A failure of the system in words that name no path.
fn unreadable(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => refusal("disk_full", ""),
        io::ErrorKind::NotFound => refusal("not_found", ""),
        kind => refusal("unreadable", &format!("the file cannot be read: {kind}")),
    }
}

/// Makes names of a directory durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

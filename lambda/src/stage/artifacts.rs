//! The store of copies: `<folder>/sha256/<hex>` holds the bytes, `<hex>.name` what they were first called. What was put
//! together here for one submission has [`marks`], and goes when nobody can need it any more.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use beam_mcp_core::{
    effect::{Refusal, SourceId},
    random::hex,
    text,
};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{marks, sync_dir, too_large, unreadable};

/// Age at which an unfinished copy is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);
const BUFFER: usize = 256 << 10;

/// Copies by hash, in one folder of the server.
#[derive(Clone, Debug)]
pub struct Artifacts {
    kept: PathBuf,
    incoming: PathBuf,
}

impl Artifacts {
    /// Uses the folder `artifacts` in the server's data folder, made when it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("artifacts");
        let artifacts = Self { kept: folder.join("sha256"), incoming: folder.join("incoming") };
        fs::create_dir_all(&artifacts.kept)?;
        fs::create_dir_all(&artifacts.incoming)?;
        artifacts.sweep()?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        Ok(artifacts)
    }

    /// Removes copies that were not finished when their server ended (another server may be at work on the newer ones),
    /// and what was built for jobs of long ago.
    fn sweep(&self) -> io::Result<()> {
        older(&self.incoming, ABANDONED)?.try_for_each(fs::remove_file)?;
        marks::sweep(&self.kept, "", false)
    }

    /// Keeps what was put together here for a job, and lets go of what is old. What somebody has sent stays theirs.
    pub(super) fn keep_built(&self, incoming: Incoming, job: Option<&str>) -> Result<SourceId, Refusal> {
        let Some(job) = job else { return incoming.keep() };
        marks::sweep(&self.kept, "", false).map_err(|error| unreadable(&error))?;
        let place = self.kept.join(incoming.hex());
        if !place.exists() || marks::is_built(&place) {
            marks::take(&place, job).map_err(|error| unreadable(&error))?;
        }
        incoming.keep()
    }

    /// Forgets that a job needs what was put together for it.
    pub(super) fn give_up(&self, id: &SourceId, job: &str) -> Result<(), Refusal> {
        self.path(id).map_or(Ok(()), |path| marks::give_up(&path, job)).map_err(|error| unreadable(&error))
    }

    /// The kept file of a source, open to read it.
    ///
    /// # Errors
    /// `NotFound` when nothing of the name is kept.
    pub fn open_kept(&self, id: &SourceId) -> io::Result<File> {
        File::open(self.path(id).ok_or(io::ErrorKind::NotFound)?)
    }

    pub(super) fn file(&self, id: &SourceId) -> Result<File, Refusal> {
        self.open_kept(id).map_err(|error| unreadable(&error))
    }

    pub(super) fn size(&self, id: &SourceId) -> Result<u64, Refusal> {
        self.file(id)?.metadata().map(|meta| meta.len()).map_err(|error| unreadable(&error))
    }

    /// What the bytes were first called; empty when nobody said.
    pub(super) fn file_name(&self, id: &SourceId) -> String {
        let name = self.path(id).and_then(|path| fs::read_to_string(path.with_extension("name")).ok());
        name.unwrap_or_default()
    }

    pub(super) fn set_file_name(&self, id: &SourceId, name: &str) -> Result<(), Refusal> {
        let Some(path) = self.path(id).map(|path| path.with_extension("name")) else { return Ok(()) };
        if name.is_empty() || path.exists() {
            return Ok(());
        }
        fs::write(path, name).map_err(|error| unreadable(&error))
    }

    fn path(&self, id: &SourceId) -> Option<PathBuf> {
        hex_of(id).map(|hex| self.kept.join(hex))
    }

    pub(super) fn keep(&self, bytes: &mut impl Read, most: u64) -> Result<SourceId, Refusal> {
        self.copied(bytes, most)?.keep()
    }

    /// A copy that is not kept yet.
    pub(super) fn copied(&self, bytes: &mut impl Read, most: u64) -> Result<Incoming, Refusal> {
        let mut incoming = self.incoming(most)?;
        incoming.copy_from(bytes)?;
        Ok(incoming)
    }

    pub(super) fn incoming(&self, most: u64) -> Result<Incoming, Refusal> {
        let file = NamedTempFile::new_in(&self.incoming).map_err(|error| unreadable(&error))?;
        Ok(Incoming { kept: self.kept.clone(), file, hash: Sha256::new(), size: 0, most })
    }
}

/// Bytes on their way in; dropped they leave nothing behind.
pub(super) struct Incoming {
    kept: PathBuf,
    file: NamedTempFile,
    hash: Sha256,
    size: u64,
    most: u64,
}

impl Incoming {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(too_large(self.most));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|error| unreadable(&error))
    }

    pub(super) fn copy_from(&mut self, bytes: &mut impl Read) -> Result<(), Refusal> {
        each_chunk(bytes, |chunk| self.write(chunk))
    }

    /// The file itself, to be changed in place before [`Incoming::rehash`].
    pub(super) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    pub(super) fn rehash(&mut self) -> Result<(), Refusal> {
        let (mut hash, mut size) = (Sha256::new(), 0);
        self.file.rewind().map_err(|error| unreadable(&error))?;
        each_chunk(&mut self.file, |chunk| {
            size += chunk.len() as u64;
            hash.update(chunk);
            Ok(())
        })?;
        (self.hash, self.size) = (hash, size);
        if size > self.most { Err(too_large(self.most)) } else { Ok(()) }
    }

    fn hex(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    /// Puts the bytes under their hash.
    pub(super) fn keep(self) -> Result<SourceId, Refusal> {
        let hex = self.hex();
        let place = self.kept.join(&hex);
        let store = || -> io::Result<()> {
            if place.exists() {
                return Ok(());
            }
            self.file.as_file().set_permissions(fs::Permissions::from_mode(0o400))?;
            self.file.as_file().sync_all()?;
            self.file.persist(&place)?;
            sync_dir(&self.kept)
        };
        store().map_err(|error| unreadable(&error))?;
        Ok(SourceId(format!("sha256:{hex}")))
    }
}

/// The files of a folder that were last written so long ago.
fn older(folder: &Path, age: Duration) -> io::Result<impl Iterator<Item = PathBuf>> {
    let is_old = move |entry: &fs::DirEntry| {
        let written = entry.metadata().and_then(|meta| meta.modified()).ok();
        written.and_then(|at| at.elapsed().ok()).is_some_and(|passed| passed > age)
    };
    Ok(fs::read_dir(folder)?.flatten().filter(is_old).map(|entry| entry.path()))
}

pub(super) fn each_chunk(
    bytes: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

/// The hash in a source's name; `None` for a name that is none.
pub(super) fn hex_of(id: &SourceId) -> Option<&str> {
    let hex = id.0.strip_prefix("sha256:")?;
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (hex.len() == 64 && digits).then_some(hex)
}

/// What a sender calls a file, as a plain name.
pub(super) fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    text::clean_line(last, 255)
}

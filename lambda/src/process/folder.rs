//! The folder of one child: what it was given, what it wrote, what is known about it.
//!
//! # Shape
//! `<token>/` holds `code/`, `tmp/`, `stdout.log`, `stderr.log`, the child's own `state.json` and `result.json`, and
//! the server's `launch.json` (identity, target, end of its time), `released-<pid>-<start time>` (it was let go) and `exit.json`.
//! The child may write everywhere in it, so nothing there is trusted and no link is followed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use beam_mcp_core::effect::{Fact, LogStream};
use rustix::fs::{FallocateFlags, OFlags};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::identity::Identity;

/// Most bytes of a file the child left that are read whole.
const FILE_BYTES: u64 = 8 << 20;
/// Most bytes of any other file it left that are read at once.
const LEFT_BYTES: u64 = 32 << 20;
/// Multiple of the block size of every usual file system.
const BLOCK: u64 = 64 << 10;
/// Most bytes of a log that are read at once.
const LOG_BYTES: u64 = 1 << 20;

/// One child's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// `launch.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) identity: Identity,
    pub(super) target: String,
    /// Unix milliseconds at which it is killed.
    pub(super) ends_at_ms: Option<u64>,
}

/// `exit.json`
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) limit: Option<String>,
}

impl Folder {
    /// The folder of a token; `None` for a name that is none.
    pub(super) fn of(jobs: &Path, token: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (token.len() == 32 && token.bytes().all(hex)).then(|| Self(jobs.join(token)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn create(&self) -> io::Result<()> {
        let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        private(&self.0)?;
        private(&self.0.join("tmp"))
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            end => end,
        }
    }

    /// Places a copy of a file; its name has one segment or two.
    pub(super) fn place(&self, name: &str, bytes: &mut File) -> io::Result<()> {
        if !name.split('/').all(is_plain) || name.split('/').count() > 2 {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let path = self.0.join(name);
        if let Some(folder) = path.parent().filter(|folder| *folder != self.0) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        io::copy(bytes, &mut new_file(&path)?).map(drop)
    }

    /// The file an output stream goes to; appended to, so that its oldest part can be dropped under the writer.
    pub(super) fn output(&self, stream: LogStream) -> io::Result<File> {
        let name = self.0.join(log_name(stream));
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(name)
    }

    pub(super) fn record(&self) -> Option<Record> {
        self.read("launch.json")
    }

    pub(super) fn set_record(&self, record: &Record) -> io::Result<()> {
        self.write("launch.json", record)
    }

    /// Whether this very child was let go and took it.
    ///
    /// A server that was killed between the mark and the byte leaves a child that ends without having begun.
    pub(super) fn was_released(&self, child: Identity) -> bool {
        self.holds(&release_mark(child)) && (child.is_alive() || self.holds("state.json"))
    }

    fn holds(&self, name: &str) -> bool {
        self.0.join(name).symlink_metadata().is_ok()
    }

    pub(super) fn set_released(&self, child: Identity) -> io::Result<()> {
        new_file(&self.0.join(release_mark(child))).map(drop)
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.read("exit.json")
    }

    pub(super) fn set_exit(&self, exit: &Exit) -> io::Result<()> {
        self.write("exit.json", exit)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(&self.text(name)?).ok()
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let (place, temporary) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let _ = fs::remove_file(&temporary);
        let mut file = new_file(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        fs::rename(temporary, place)
    }

    /// `state.json` and `result.json`.
    pub(super) fn result(&self) -> Fact {
        Fact::Result { state: self.text("state.json"), result: self.text("result.json") }
    }

    fn text(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let file = self.regular(name, OpenOptions::new().read(true)).ok()?;
        file.take(FILE_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// The first bytes of a file the child left; a name of more than one segment is none.
    pub(super) fn file(&self, name: &str, max: u64) -> Fact {
        if !is_plain(name) {
            return no_file();
        }
        let file = self.regular(name, OpenOptions::new().read(true));
        file.and_then(|file| first_of(file, max)).unwrap_or_else(|_| no_file())
    }

    /// A file the child left in `artifacts`.
    pub(super) fn artifact(&self, name: &str) -> io::Result<File> {
        let folder = self.0.join("artifacts");
        if !is_plain(name) || !folder.symlink_metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        self.regular(&format!("artifacts/{name}"), OpenOptions::new().read(true))
    }

    fn regular(&self, name: &str, how: &OpenOptions) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = how.clone().custom_flags(flags).open(self.0.join(name))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::from(io::ErrorKind::InvalidInput)) }
    }

    /// A piece of output. A part that was dropped is skipped: `from` says where the bytes really begin.
    pub(super) fn log(&self, stream: LogStream, from: Option<u64>, max: u64) -> Fact {
        let nothing = |from| Fact::Log { from, size: from, data: Vec::new().into() };
        let Ok(mut file) = self.regular(log_name(stream), OpenOptions::new().read(true)) else {
            return nothing(from.unwrap_or(0));
        };
        piece(&mut file, from, max.min(LOG_BYTES)).unwrap_or_else(|_| nothing(from.unwrap_or(0)))
    }

    /// Frees the oldest part of a log that takes more than `most` bytes of disk, leaving half of that.
    ///
    /// # Errors
    /// When the file system cannot do this.
    pub(super) fn trim(&self, stream: LogStream, most: u64) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = self.0.join(log_name(stream)).symlink_metadata()?;
        if !meta.is_file() || meta.blocks() * 512 <= most {
            return Ok(());
        }
        let file = self.regular(log_name(stream), OpenOptions::new().write(true))?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Whole blocks only: what is left begins where data begins.
        let dropped = meta.len().saturating_sub(most / 2) / BLOCK * BLOCK;
        if dropped == 0 { Ok(()) } else { Ok(rustix::fs::fallocate(&file, flags, 0, dropped)?) }
    }

    /// Forbids others to enter; the child's user owns it.
    pub(super) fn close_to_others(path: &Path) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    }
}

fn piece(file: &mut File, from: Option<u64>, max: u64) -> io::Result<Fact> {
    let size = file.metadata()?.len();
    let wanted = from.unwrap_or_else(|| size.saturating_sub(max)).min(size);
    let from = rustix::fs::seek(&*file, rustix::fs::SeekFrom::Data(wanted)).unwrap_or(wanted).max(wanted);
    let mut data = vec![0; usize::try_from((size - from.min(size)).min(max)).unwrap_or(0)];
    file.seek(SeekFrom::Start(from))?;
    file.read_exact_at(&mut data, from)?;
    Ok(Fact::Log { from, size, data: data.into() })
}

/// The first bytes of a file.
pub(super) fn first_of(file: File, max: u64) -> io::Result<Fact> {
    let size = file.metadata()?.len();
    let mut data = Vec::new();
    file.take(max.min(LEFT_BYTES)).read_to_end(&mut data)?;
    Ok(Fact::File { size: Some(size), data: data.into() })
}

pub(super) fn no_file() -> Fact {
    Fact::File { size: None, data: Vec::new().into() }
}

fn is_plain(segment: &str) -> bool {
    !segment.is_empty()
        && !segment.starts_with('.')
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn log_name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stderr => "stderr.log",
        LogStream::Stdout => "stdout.log",
    }
}

fn release_mark(child: Identity) -> String {
    format!("released-{}-{}", child.pid, child.start_time)
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

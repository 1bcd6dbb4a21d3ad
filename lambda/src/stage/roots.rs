//! Opening a path beneath a root, one directory at a time, so that no link and no race leads out.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use beam_mcp_core::effect::Refusal;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
};

use super::{refusal, unreadable};

/// Longest path and longest name in it, in bytes, as Linux has them.
const PATH_BYTES: usize = 4095;
const NAME_BYTES: usize = 255;

/// Directories beneath which callers may name files.
#[derive(Debug)]
pub(super) struct Roots(Vec<Root>);

#[derive(Debug)]
struct Root {
    /// As configured, made absolute; and with its links resolved. A caller may use either.
    names: [PathBuf; 2],
    dir: OwnedFd,
}

impl Roots {
    pub(super) fn open(roots: &[PathBuf]) -> io::Result<Self> {
        roots.iter().map(|root| Root::open(root)).collect::<io::Result<_>>().map(Self)
    }

    /// Opens a regular file to read it.
    pub(super) fn open_file(&self, path: &str) -> Result<File, Refusal> {
        check(path)?;
        let path = Path::new(path);
        let mut last = refusal(if path.is_absolute() { "outside_roots" } else { "not_found" }, "");
        for (root, rest) in self.0.iter().filter_map(|root| root.rest(path).map(|rest| (root, rest))) {
            match beneath(root.dir.as_fd(), rest) {
                Err(refused) if refused.reason == "not_found" => last = refused,
                end => return end,
            }
        }
        Err(last)
    }
}

impl Root {
    fn open(root: &Path) -> io::Result<Self> {
        let real = fs::canonicalize(root)?;
        let dir = rustix::fs::openat(CWD, &real, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { names: [std::path::absolute(root)?, real], dir })
    }

    fn rest<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        if path.is_relative() {
            return Some(path);
        }
        self.names.iter().find_map(|name| path.strip_prefix(name).ok())
    }
}

fn check(path: &str) -> Result<(), Refusal> {
    let names = || Path::new(path).components();
    let long = |name: &OsStr| name.len() > NAME_BYTES;
    if path.is_empty() || path.contains('\0') || path.len() > PATH_BYTES || names().any(|name| long(name.as_os_str())) {
        return Err(refusal("bad_name", ""));
    }
    if names().any(|name| name == Component::ParentDir) {
        return Err(refusal("outside_roots", "a path with `..` is not beneath a root"));
    }
    Ok(())
}

fn beneath(root: impl AsFd, rest: &Path) -> Result<File, Refusal> {
    let names: Vec<&OsStr> = rest
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let Some((file, folders)) = names.split_last() else { return Err(refusal("not_a_file", "")) };
    let mut dir = root.as_fd().try_clone_to_owned().map_err(|error| unreadable(&error))?;
    for name in folders {
        dir = step(&dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
    }
    // Without NONBLOCK a named pipe would hold the server until somebody writes to it.
    let file = File::from(step(&dir, file, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
    let regular = file.metadata().map_err(|error| unreadable(&error))?.is_file();
    if regular { Ok(file) } else { Err(refusal("not_a_file", "")) }
}

fn step(dir: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Refusal> {
    rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
        if is_link(dir, name) {
            return refusal("symlink", "");
        }
        match errno {
            Errno::NOENT | Errno::NOTDIR => refusal("not_found", ""),
            Errno::NXIO => refusal("not_a_file", ""),
            Errno::NAMETOOLONG => refusal("bad_name", ""),
            other => unreadable(&other.into()),
        }
    })
}

/// Only to word the refusal: the open above decided already.
fn is_link(dir: &OwnedFd, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

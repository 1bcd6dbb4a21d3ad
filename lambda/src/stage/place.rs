//! A copy put where a cluster reads it, under its hash.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use beam_mcp_core::{effect::Refusal, random::hex};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{artifacts::each_chunk, marks, refusal, sync_dir, unreadable};

/// Puts the bytes into `folder` as `<sha256>.jar`, unless that very content is there: others may write to a folder that
/// is shared, so a file that is there is read again. What was put together for a `job` stays until the job has ended.
pub(super) fn put(mut bytes: File, sha256: &str, folder: &Path, job: Option<&str>) -> Result<(), Refusal> {
    if !folder.is_dir() {
        return Err(refusal("no_folder", ""));
    }
    let place = folder.join(format!("{sha256}.jar"));
    if let Some(job) = job {
        let marked = marks::sweep(folder, "jar", true).and_then(|()| marks::take(&place, job));
        marked.map_err(|error| unwritable(&error))?;
    }
    if has(&place, sha256)? { Ok(()) } else { copy(&mut bytes, &place, folder).map_err(|error| unwritable(&error)) }
}

/// Forgets that a job needs the jar.
pub(super) fn give_up(sha256: &str, folder: &Path, job: &str) -> Result<(), Refusal> {
    let given = marks::give_up(&folder.join(format!("{sha256}.jar")), job);
    given.and_then(|()| marks::sweep(folder, "jar", true)).map_err(|error| unwritable(&error))
}

fn copy(bytes: &mut File, place: &Path, folder: &Path) -> io::Result<()> {
    let mut copy = NamedTempFile::new_in(folder)?;
    io::copy(bytes, &mut copy)?;
    copy.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    copy.as_file().sync_all()?;
    copy.persist(place)?;
    sync_dir(folder)
}

/// True when the file holds the content its name says.
fn has(place: &Path, sha256: &str) -> Result<bool, Refusal> {
    let mut file = match File::open(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|error| unreadable(&error))?,
    };
    let mut hash = Sha256::new();
    each_chunk(&mut file, |chunk| {
        hash.update(chunk);
        Ok(())
    })?;
    Ok(hex(&hash.finalize()) == sha256)
}

fn unwritable(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => refusal("no_folder", ""),
        _ => unreadable(error),
    }
}

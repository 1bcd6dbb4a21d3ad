//! `beam-mcp-server store check|backup|restore`: the file of the store, looked after by its operator.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    database::{DatabaseFile, Marks, check_version, integrity_check},
    row_check::check_rows,
};
use crate::{clock::unix_ms, setup::Failure};

/// Faults shown; the rest is counted.
const SHOWN: usize = 20;

/// Looks for damage of the file and for rows without those that belong to them, all of one moment.
///
/// # Errors
/// No store in the folder, or its faults.
pub fn check(folder: &Path) -> Result<String, Failure> {
    let file = existing(DatabaseFile::in_folder(folder))?;
    checked(&file).map(|found| format!("store {}: ok, {found}\n", file.path().display()))
}

/// Copies the store of a folder to a file that is not there yet; a server may be at work on the store.
///
/// # Errors
/// No store, a file in the way, a full disk, or faults in the copy.
pub fn backup(folder: &Path, to: &Path) -> Result<String, Failure> {
    let from = existing(DatabaseFile::in_folder(folder))?;
    let to = absolute(to)?;
    let failed = |error: &dyn std::fmt::Display| Failure::io(format!("backup to {}: {error}", to.display()));
    if to.exists() {
        return Err(failed(&"the file is there already; name a new one"));
    }
    let copy = Unfinished(DatabaseFile::at(&to).beside(".unfinished"));
    copy.fill_from(&from).map_err(|reason| failed(&reason))?;
    let found = checked(&DatabaseFile::at(&copy.0))?;
    copy.become_file(&to).map_err(|error| failed(&error))?;
    let bytes = DatabaseFile::at(&to).bytes();
    Ok(format!("backup {}: {found}, {bytes} bytes\n", to.display()))
}

/// Puts a copy in the place of a folder's store, which is kept beside it.
///
/// # Errors
/// The copy is missing or has faults, or the store is in use.
pub fn restore(folder: &Path, from: &Path) -> Result<String, Failure> {
    let source = existing(DatabaseFile::at(&absolute(from)?))?;
    let failed = |error: &dyn std::fmt::Display| Failure::io(format!("restore to {}: {error}", folder.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    let store = DatabaseFile::in_folder(&absolute(folder)?);
    let _reserved = store.reserve().map_err(|reason| Failure::unavailable(format!("restore: {reason}")))?;
    let found = checked(&source)?;
    let copy = Unfinished(store.beside(".restoring"));
    copy.fill_from(&source).map_err(|reason| failed(&reason))?;
    let replaced = set_aside(&store)?;
    copy.become_file(store.path()).map_err(|error| failed(&error))?;
    let kept = replaced.map(|path| format!("; what was there is kept as {}", path.display())).unwrap_or_default();
    Ok(format!(
        "restored {}: {found}{kept}\nJobs submitted after the copy was made are unknown to it: the next server finds \
         them on their runners, as discovered ones.\n",
        store.path().display()
    ))
}

/// Faults of the file and its rows, as a failure; else how many rows there are.
fn checked(file: &DatabaseFile) -> Result<String, Failure> {
    let told = |reason: String| Failure::data(format!("store {}: {reason}", file.path().display()));
    check_version(rusqlite::version_number()).map_err(Failure::unavailable)?;
    let connection = file.open_reader().map_err(|error| told(error.to_string()))?;
    let marks = Marks::read(&connection).map_err(told)?;
    marks.check().map_err(told)?;
    if marks.is_empty() {
        return Ok("no rows".into());
    }
    integrity_check(&connection).map_err(told)?;
    let found = check_rows(&connection, SHOWN).map_err(|error| told(error.to_string()))?;
    if found.faults == 0 {
        return Ok(format!("{} rows, {} jobs, {} sealed audit rows", found.rows, found.jobs, found.sealed));
    }
    Err(told(format!("{} faults in {} rows\n{}", found.faults, found.rows, found.shown.join("\n"))))
}

/// Folds the log into the file and moves it away; a program that has it open is noticed.
fn set_aside(store: &DatabaseFile) -> Result<Option<PathBuf>, Failure> {
    if !store.path().exists() {
        return Ok(None);
    }
    let busy = |error: rusqlite::Error| Failure::unavailable(format!("restore: the store is in use: {error}"));
    if let Ok(connection) = Connection::open(store.path()) {
        match connection.pragma_update(None, "journal_mode", "DELETE") {
            Err(error) if is_busy(&error) => return Err(busy(error)),
            // A damaged store is moved away as it is.
            Ok(()) | Err(_) => {}
        }
    }
    let kept = store.beside(&format!(".replaced-{}", unix_ms()));
    let moved = fs::rename(store.path(), &kept).and_then(|()| move_log(store, &kept));
    moved.map_err(|error| Failure::io(format!("restore: {}: {error}", kept.display())))?;
    Ok(Some(kept))
}

/// A log that could not be folded in stays with its file, and away from the new one.
fn move_log(store: &DatabaseFile, kept: &Path) -> io::Result<()> {
    for log in ["-wal", "-shm"] {
        match fs::rename(store.beside(log), DatabaseFile::at(kept).beside(log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_busy(error: &rusqlite::Error) -> bool {
    super::rows::reason(error) == "busy"
}

fn existing(file: DatabaseFile) -> Result<DatabaseFile, Failure> {
    if file.path().is_file() {
        return Ok(file);
    }
    Err(Failure::unavailable(format!("there is no store {}", file.path().display())))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(format!("{}: {error}", path.display())))
}

/// A file under a name of its own until it is whole.
struct Unfinished(PathBuf);

impl Unfinished {
    /// One snapshot, with what is still in the log and without the holes of deleted rows; writers go on meanwhile.
    fn fill_from(&self, source: &DatabaseFile) -> Result<(), String> {
        let made = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&self.0);
        made.map_err(|error| error.to_string())?;
        let name = self.0.to_str().ok_or("its name is not text")?;
        let copied = source.open_reader().and_then(|connection| connection.execute("VACUUM INTO ?1", [name]));
        copied.map(drop).map_err(|error| error.to_string())
    }

    /// Takes its name, on the disk too.
    fn become_file(self, path: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, path)?;
        let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
        File::open(folder)?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already where it took its name.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;

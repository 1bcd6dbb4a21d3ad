//! Who needs what was put together here. `<hash>.built` beside a file says that it was, `<hash>.<job>.use` that a job
//! needs it. A file goes a week after the last word of it, with its marks; what somebody sent has none and stays.

use std::{
    collections::BTreeSet,
    fs::{self, DirEntry, File},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

/// Age at which nobody speaks of a file any more.
pub(super) const OLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// Remembers that a file was put together here for a job, or is needed by it again.
pub(super) fn take(file: &Path, job: &str) -> io::Result<()> {
    touch(&file.with_extension("built"))?;
    touch(&file.with_extension(format!("{job}.use")))
}

/// Forgets that a job needs a file.
pub(super) fn give_up(file: &Path, job: &str) -> io::Result<()> {
    let mark = file.with_extension(format!("{job}.use"));
    if !mark.exists() {
        return Ok(());
    }
    touch(&file.with_extension("built"))?;
    removed(&mark)
}

/// True for a file that was put together here.
pub(super) fn is_built(file: &Path) -> bool {
    file.with_extension("built").exists()
}

/// Lets old files of a folder go. `lasting`: the word of a job holds until it is taken back, however old it is.
pub(super) fn sweep(folder: &Path, extension: &str, lasting: bool) -> io::Result<()> {
    let entries: Vec<DirEntry> = fs::read_dir(folder)?.flatten().collect();
    let ends = |entry: &DirEntry, word: &str| entry.path().extension().is_some_and(|found| found == word);
    let (dead, live): (Vec<&DirEntry>, Vec<&DirEntry>) =
        entries.iter().filter(|entry| ends(entry, "use")).partition(|entry| !lasting && is_old(entry));
    dead.into_iter().try_for_each(|entry| removed(&entry.path()))?;
    let needed: BTreeSet<String> = live.into_iter().filter_map(stem).collect();
    for mark in entries.iter().filter(|entry| ends(entry, "built") && is_old(entry)) {
        if !stem(mark).is_some_and(|hash| needed.contains(&hash)) {
            removed(&mark.path().with_extension(extension))?;
            removed(&mark.path())?;
        }
    }
    Ok(())
}

/// What stands before the first dot.
fn stem(entry: &DirEntry) -> Option<String> {
    entry.file_name().to_str()?.split('.').next().map(str::to_owned)
}

fn is_old(entry: &DirEntry) -> bool {
    let written = entry.metadata().and_then(|meta| meta.modified()).ok();
    written.and_then(|at| at.elapsed().ok()).is_some_and(|passed| passed > OLD)
}

fn touch(mark: &Path) -> io::Result<()> {
    File::create(mark)?.set_modified(SystemTime::now())
}

fn removed(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

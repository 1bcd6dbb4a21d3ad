//! Zip archives (jars): what the central directory says, and entries added at the end.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use beam_mcp_core::effect::{Artifact, Refusal};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{refusal, unreadable};

/// Most entries, and most bytes of the central directory, of an archive that is read.
const ENTRIES: u64 = 262_144;
const DIRECTORY_BYTES: u64 = 64 << 20;
/// Most bytes of a manifest.
const MANIFEST_BYTES: u64 = 64 << 10;

/// What a zip declares; `None` for a file that does not begin like one.
pub(super) fn read(mut file: File, class: Option<&str>) -> Result<Option<Artifact>, Refusal> {
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if matches!(&magic, b"PK\x03\x04" | b"PK\x05\x06") => {}
        Ok(()) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    }
    check_size(&mut file)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    let main_class = manifest(&mut archive)?.as_deref().and_then(|text| attribute(text, "Main-Class"));
    let wanted = class.or(main_class.as_deref()).map(|name| format!("{}.class", name.replace('.', "/")));
    Ok(Some(Artifact {
        entries: archive.len() as u64,
        main_class_present: wanted.is_some_and(|name| archive.index_for_name(&name).is_some()),
        main_class,
    }))
}

/// Adds a stored entry with a fixed time: the same parts give the same archive.
pub(super) fn append(archive: &mut File, name: &str, bytes: &mut File) -> Result<(), Refusal> {
    check_size(archive)?;
    archive.rewind().map_err(|error| unreadable(&error))?;
    let add = || -> Result<(), ZipError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(bytes.metadata()?.len() >= u64::from(u32::MAX));
        let mut zip = ZipWriter::new_append(archive)?;
        zip.start_file(name, options)?;
        io::copy(bytes, &mut zip)?;
        zip.finish().map(drop)
    };
    add().map_err(|error| broken(&error))
}

fn manifest(archive: &mut ZipArchive<BufReader<File>>) -> Result<Option<String>, Refusal> {
    let mut bytes = Vec::new();
    match archive.by_name("META-INF/MANIFEST.MF") {
        Ok(entry) => entry.take(MANIFEST_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(broken(&error)),
    };
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The manifest of a zip that has one.
pub(super) fn manifest_of(mut file: File) -> Result<Option<String>, Refusal> {
    check_size(&mut file)?;
    manifest(&mut ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?)
}

/// One value of the main section; a line that begins with a space goes on the one before (JAR specification).
pub(super) fn attribute(manifest: &str, name: &str) -> Option<String> {
    let text = manifest.replace("\r\n", "\n").replace('\r', "\n").replace("\n ", "");
    let main_section = text.split("\n\n").next().unwrap_or_default();
    let value = main_section.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    value.filter(|value| !value.is_empty() && value.len() <= 512)
}

/// Refuses an archive whose directory would fill the memory, before anything reads it.
///
/// # Source
/// APPNOTE.TXT 4.3.14 to 4.3.16: the end of central directory record, and its zip64 form.
fn check_size(file: &mut File) -> Result<(), Refusal> {
    let (entries, directory) = declared(file).map_err(|error| unreadable(&error))?.ok_or_else(no_directory)?;
    if entries > ENTRIES || directory > DIRECTORY_BYTES {
        return Err(refusal("bad_archive", &format!("the archive has more than {ENTRIES} entries")));
    }
    file.rewind().map_err(|error| unreadable(&error))
}

/// Number of entries and bytes of the central directory.
fn declared(file: &mut File) -> io::Result<Option<(u64, u64)>> {
    let size = file.metadata()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(size.saturating_sub(20 + 22 + 0xffff)))?;
    file.take(20 + 22 + 0xffff).read_to_end(&mut tail)?;
    let Some(end) = tail.windows(4).rposition(|four| four == b"PK\x05\x06") else { return Ok(None) };
    let Some(short) = number::<2>(&tail, end + 10).zip(number::<4>(&tail, end + 12)) else { return Ok(None) };
    let locator = end.checked_sub(20).filter(|at| tail.get(*at..*at + 4) == Some(b"PK\x06\x07"));
    let Some(at) = locator.and_then(|at| number::<8>(&tail, at + 8)) else { return Ok(Some(short)) };
    let mut record = Vec::new();
    file.seek(SeekFrom::Start(at.min(size)))?;
    file.take(56).read_to_end(&mut record)?;
    let long = number::<8>(&record, 32).zip(number::<8>(&record, 40));
    Ok(long.filter(|_| record.starts_with(b"PK\x06\x06")))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let digits = bytes.get(at..at + N)?;
    Some(digits.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn no_directory() -> Refusal {
    refusal("bad_archive", "the archive has no directory: it may be cut off")
}

fn broken(error: &ZipError) -> Refusal {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::StorageFull => refusal("disk_full", ""),
        _ => refusal("bad_archive", ""),
    }
}

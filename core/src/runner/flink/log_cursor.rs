//! Where a page of a log ended: among the exceptions, and in each file.
//!
//! Flink has no ranges and a file's end may hold lines without a time, as a program's prints are. So a place in a file is
//! an offset, with a digest of what stands before it: a file of the same name that is another one is known as such.

use std::collections::BTreeMap;

use super::{
    log_page::{named, writer},
    logs::LogFile,
    request::Process,
};
use crate::{effect::Blob, error::Error, job::LogQuery, random::sha256_hex};

/// Bytes before a place that its digest is of.
const DIGESTED: u64 = 64;
/// Files that a token tells of; more than are read for a page.
const MOST_FILES: usize = 32;
/// How tokens begin; those of the first version told of times alone.
const VERSION: &str = "2_";
/// Longest token.
const TOKEN_BYTES: usize = 2048;

/// The time of the last exception that was shown, and how many of that time were.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    at_ms: u64,
    shown: u64,
}

impl Place {
    /// The place after one more exception.
    pub(super) fn after(self, at_ms: u64) -> Self {
        let shown = if at_ms == self.at_ms { self.shown.saturating_add(1) } else { 1 };
        Self { at_ms, shown }
    }
}

/// A place in a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    /// Empty where the bytes before it are not known.
    digest: String,
}

/// A place in each file, by its key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Cursor {
    pub(super) exceptions: Place,
    pub(super) files: BTreeMap<String, Mark>,
}

impl Cursor {
    /// `None`: near the end.
    pub(super) fn of(token: Option<&str>) -> Result<Option<Self>, Error> {
        match token {
            None => Ok(None),
            Some(LogQuery::START) => Ok(Some(Self::default())),
            Some(token) => Self::read(token).map(Some).ok_or_else(|| {
                Error::invalid("bad_page_token", "the page token is not one this job's log gave out")
                    .suggest("leave page_token out, or send `start`, to begin again")
            }),
        }
    }

    fn read(token: &str) -> Option<Self> {
        let token = token.strip_prefix(VERSION).filter(|token| token.len() <= TOKEN_BYTES)?;
        let mut parts = token.split('_');
        let (at, shown) = parts.next()?.split_once('.')?;
        let exceptions = Place { at_ms: at.parse().ok()?, shown: shown.parse().ok()? };
        let file = |part: &str| {
            let (key, place) = part.split_once('.')?;
            let (offset, digest) = place.split_once('.')?;
            let fits = is_short_hex(key) && (digest.is_empty() || is_short_hex(digest));
            fits.then_some((key.to_owned(), Mark { offset: offset.parse().ok()?, digest: digest.to_owned() }))
        };
        Some(Self { exceptions, files: parts.map(file).collect::<Option<_>>()? })
    }

    /// The token; of the files that were not read now as many are kept as there is room for.
    pub(super) fn token(&self, read: &[String]) -> String {
        let is_read = |key: &String| read.contains(key);
        let (now, before): (Vec<_>, Vec<_>) = self.files.iter().partition(|(key, _)| is_read(key));
        let files = now.into_iter().chain(before).take(MOST_FILES);
        let files = files.map(|(key, mark)| format!("_{key}.{}.{}", mark.offset, mark.digest));
        format!("{VERSION}{}.{}{}", self.exceptions.at_ms, self.exceptions.shown, files.collect::<String>())
    }
}

fn is_short_hex(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What stands for a file in a token.
pub(super) fn key(process: &Process, file: &LogFile) -> String {
    short_digest(format!("{}/{}", writer(process), named(&file.name)).as_bytes())
}

fn short_digest(bytes: &[u8]) -> String {
    sha256_hex(bytes).chars().take(8).collect()
}

/// The end of a file, as it was read.
pub(super) struct Tail {
    bytes: Blob,
    /// Where it begins in the file.
    begin: u64,
}

/// How the end of a file continues what was told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Joint {
    /// Nothing was told.
    New,
    /// It goes on.
    On,
    /// It goes on, but so many bytes in between are gone.
    Gap(u64),
    /// It is another file.
    Other,
}

impl Tail {
    /// `size` is the whole file's.
    pub(super) fn new(bytes: Blob, size: u64) -> Self {
        let begin = size.saturating_sub(length(bytes.as_slice()));
        Self { bytes, begin }
    }

    /// True when the file's beginning is not in it.
    pub(super) fn is_cut(&self) -> bool {
        self.begin > 0
    }

    /// The bytes behind a place, and where they begin.
    pub(super) fn behind(&self, mark: Option<&Mark>) -> (Joint, u64, &[u8]) {
        let joint = mark.map_or(Joint::New, |mark| self.joint(mark));
        let from = mark.filter(|_| joint == Joint::On).map_or(self.begin, |mark| mark.offset);
        (joint, from, self.between(from, self.end()).unwrap_or_default())
    }

    fn joint(&self, mark: &Mark) -> Joint {
        let same = |digest: String| mark.digest.is_empty() || digest == mark.digest;
        match mark.offset.checked_sub(self.begin) {
            None => Joint::Gap(self.begin.saturating_sub(mark.offset)),
            Some(_) if mark.offset > self.end() => Joint::Other,
            Some(_) if self.digest(mark.offset).is_none_or(same) => Joint::On,
            Some(_) => Joint::Other,
        }
    }

    pub(super) fn mark(&self, offset: u64) -> Mark {
        Mark { offset, digest: self.digest(offset).unwrap_or_default() }
    }

    fn end(&self) -> u64 {
        self.begin.saturating_add(length(self.bytes.as_slice()))
    }

    /// Of the bytes before a place, where all of them are here.
    fn digest(&self, offset: u64) -> Option<String> {
        self.between(offset.saturating_sub(DIGESTED), offset).map(short_digest)
    }

    fn between(&self, from: u64, to: u64) -> Option<&[u8]> {
        let at = |offset: u64| usize::try_from(offset.checked_sub(self.begin)?).ok();
        self.bytes.as_slice().get(at(from)?..at(to)?)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_others_refused() {
        assert_eq!(Cursor::of(None).unwrap(), None);
        assert_eq!(Cursor::of(Some("start")).unwrap(), Some(Cursor::default()));
        let token = "2_5.2_0123abcd.4096.00ff00ff_9999aaaa.7.";
        let cursor = Cursor::of(Some(token)).unwrap().unwrap();
        assert_eq!(cursor.exceptions, Place::default().after(5).after(5));
        assert_eq!(cursor.files["0123abcd"], Mark { offset: 4096, digest: "00ff00ff".into() });
        assert_eq!(cursor.token(&[]), token);
        let long = format!("2_5.2{}", "_0123abcd.1.".repeat(200));
        for bad in [
            "",
            "x",
            "5.2",
            "2_5",
            "2_5.x",
            "2_5.2_",
            "2_5.2_a.1.",
            "2_5.2_0123abcd.1",
            "2_5.2_0123abcd.-1.",
            "2_5.2_0123ABCD.1.",
            &long,
        ] {
            assert_eq!(Cursor::of(Some(bad)).unwrap_err().reason(), "bad_page_token", "{bad}");
        }
    }

    #[test]
    fn a_token_is_bounded_and_keeps_what_is_read() {
        let key = |n: u32| format!("{n:08x}");
        let file = |n| (key(n), Mark { offset: u64::MAX, digest: key(n) });
        let cursor = Cursor { files: (0..100).map(file).collect(), ..Cursor::default() };
        let token = cursor.token(&[key(99)]);
        assert!(token.len() <= TOKEN_BYTES, "{}", token.len());
        let again = Cursor::of(Some(&token)).unwrap().unwrap();
        assert_eq!((again.files.len(), again.files.contains_key(&key(99))), (MOST_FILES, true));
    }

    #[test]
    fn a_file_goes_on_where_it_was_left_or_is_known_as_another_one() {
        let tail = |text: &str, size| Tail::new(text.into(), size);
        let told = tail("one\ntwo\n", 8).mark(8);
        let behind = |tail: &Tail, mark: &Mark| {
            let (joint, from, bytes) = tail.behind(Some(mark));
            (joint, from, String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(behind(&tail("one\ntwo\nthree\n", 14), &told), (Joint::On, 8, "three\n".into()));
        assert_eq!(behind(&tail("one\ntwo\n", 8), &told), (Joint::On, 8, String::new()));
        assert_eq!(behind(&tail("new\n", 4), &told), (Joint::Other, 0, "new\n".into()));
        assert_eq!(behind(&tail("new\nand longer\n", 15), &told), (Joint::Other, 0, "new\nand longer\n".into()));
        assert_eq!(behind(&tail("late\n", 100), &told), (Joint::Gap(87), 95, "late\n".into()));
        assert_eq!(behind(&tail("three\n", 14), &told), (Joint::On, 8, "three\n".into()), "what is before is not here");
        assert_eq!(tail("one\n", 4).behind(None), (Joint::New, 0, b"one\n".as_slice()));
    }
}

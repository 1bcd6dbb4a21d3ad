//! Lines of log files in the layouts that Flink and Spark ship: `2026-11-20 09:45:23,659 WARN  some.Class [] - text`,
//! also with the time in ISO 8601 (`2026-11-20T09:45:23,659`), and `26/11/20 09:45:23 WARN Class: text`.

use crate::job::Severity;

/// One entry: a line with a time, and the lines without one that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Unix milliseconds; `None` for text before the first line with a time.
    pub(super) at_ms: Option<u64>,
    pub(super) severity: Severity,
    pub(super) text: String,
    /// Where it ends in its file.
    pub(super) end: u64,
}

/// A part of a log file.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    /// Where it begins in its file.
    pub(super) begin: u64,
    /// It begins in the middle of a line, which is left out.
    pub(super) broken: bool,
    /// Nothing will be added to its last line.
    pub(super) ended: bool,
}

/// The entries of a part, and the place behind them. `offset_ms` is the log clock's distance from UTC. A last line without
/// an end waits for it. In a file of another layout each line is an entry.
pub(super) fn entries(part: Part<'_>, offset_ms: i64) -> (Vec<Line>, u64) {
    let mut entries: Vec<Line> = Vec::new();
    let mut end = part.begin;
    for (number, bytes) in part.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !part.ended && !bytes.ends_with(b"\n") {
            break;
        }
        end = end.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        if number == 0 && part.broken {
            continue;
        }
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        match (head(line, offset_ms), entries.last_mut().filter(|last| last.at_ms.is_some())) {
            (None, Some(last)) => {
                last.text.push('\n');
                last.text.push_str(line);
                last.end = end;
            }
            (None, None) if line.trim().is_empty() => {}
            (head, _) => {
                let (at_ms, severity) = head.map_or((None, Severity::Default), |(at, severity)| (Some(at), severity));
                entries.push(Line { at_ms, severity, text: line.to_owned(), end });
            }
        }
    }
    (entries, end)
}

/// Time and severity of a line that begins with a time; `offset_ms` is the log clock's distance from UTC.
pub(super) fn head(line: &str, offset_ms: i64) -> Option<(u64, Severity)> {
    let (local, rest) = long_time(line).or_else(|| short_time(line))?;
    let (offset_ms, rest) = rest.strip_prefix('Z').map_or((offset_ms, rest), |rest| (0, rest));
    let at_ms = local.checked_sub(offset_ms).and_then(|ms| u64::try_from(ms).ok())?;
    let severity = match rest.split_whitespace().next()? {
        "TRACE" | "DEBUG" => Severity::Debug,
        "INFO" => Severity::Info,
        "WARN" => Severity::Warn,
        "ERROR" => Severity::Error,
        "FATAL" => Severity::Fatal,
        _ => Severity::Default,
    };
    Some((at_ms, severity))
}

fn long_time(line: &str) -> Option<(i64, &str)> {
    let (time, rest) = line.split_at_checked(23)?;
    Some((unix_ms(time)?, rest))
}

/// `yy/MM/dd HH:mm:ss` of this century.
fn short_time(line: &str) -> Option<(i64, &str)> {
    let (time, rest) = line.split_at_checked(17)?;
    let (date, clock) = time.split_once(' ')?;
    let fits = date.len() == 8 && date.bytes().filter(|byte| *byte == b'/').count() == 2;
    let long = format!("20{} {clock},000", date.replace('/', "-"));
    fits.then(|| unix_ms(&long)).flatten().map(|local| (local, rest))
}

/// Milliseconds of `yyyy-MM-dd HH:mm:ss,SSS` as if it were UTC; `T` may stand for the blank, `.` for the comma.
pub(super) fn unix_ms(time: &str) -> Option<i64> {
    let shape = b"0000-00-00 00:00:00,000";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b' ' => matches!(byte, b' ' | b'T'),
        b',' => matches!(byte, b',' | b'.'),
        shape => byte == *shape,
    };
    if time.len() != shape.len() || !time.bytes().zip(shape).all(fits) {
        return None;
    }
    let part = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second, ms) = (part(11, 13)?, part(14, 16)?, part(17, 19)?, part(20, 23)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar; the year starts in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;

    #[test]
    fn lines_have_time_and_severity_and_keep_what_follows_them() {
        let tail = "broken\n\
            2026-11-20 09:45:23,659 INFO  org.apache.flink.Task [] - started\n\
            2026-11-20 09:45:24,000 ERROR org.example.Job [] - failed\njava.lang.IllegalStateException: x\n\tat a.b(C.java:1)\n\
            2026-02-29x\n\
            2026-11-20T09:45:25,001 WARN  Task - T for a blank\n\
            2026-11-20T09:45:25.002Z DEBUG Task - UTC\n\
            2026-13-01 00:00:00,000 WARN not a date\n";
        let part = Part { bytes: tail.as_bytes(), begin: 100, broken: true, ended: false };
        let (entries, end) = entries(part, 3_600_000);
        assert_eq!(Some(end), entries.last().map(|entry| entry.end));
        assert_eq!(end, 100 + tail.len() as u64);
        let rows: Vec<_> =
            entries.iter().map(|e| (rfc3339(e.at_ms.unwrap()), e.severity, e.text.lines().count())).collect();
        assert_eq!(
            rows,
            [
                ("2026-11-20T08:45:23.659Z".to_owned(), Severity::Info, 1),
                ("2026-11-20T08:45:24.000Z".to_owned(), Severity::Error, 4),
                ("2026-11-20T08:45:25.001Z".to_owned(), Severity::Warn, 1),
                ("2026-11-20T09:45:25.002Z".to_owned(), Severity::Debug, 2),
            ]
        );
    }

    #[test]
    fn lines_of_spark_have_a_shorter_time() {
        let at = |line| head(line, 0).map(|(at_ms, severity)| (rfc3339(at_ms), severity));
        let expected = ("2026-11-25T20:01:45.000Z".to_owned(), Severity::Warn);
        assert_eq!(at("26/11/25 20:01:45 WARN ShutdownHookManager: x"), Some(expected));
        for bad in
            ["26-11-25 20:01:45 INFO x", "26/1/125 20:01:45 INFO x", "26/13/25 20:01:45 INFO x", "26/11/25 20:01"]
        {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn in_a_file_of_another_layout_each_line_is_an_entry_without_a_time() {
        let line = |text: &str, end| Line { at_ms: None, severity: Severity::Default, text: text.into(), end };
        let bytes = b"\nhello\r\n w\xffrld\n";
        let part = |ended| Part { bytes, begin: 7, broken: false, ended };
        assert_eq!(entries(part(false), 0), (vec![line("hello", 15), line(" w\u{fffd}rld", 22)], 22));
    }

    #[test]
    fn a_last_line_without_an_end_waits_for_it() {
        let of = |bytes, ended| {
            let (entries, end) = entries(Part { bytes, begin: 0, broken: false, ended }, 0);
            (entries.iter().map(|entry| entry.text.clone()).collect::<Vec<_>>().join("|"), end)
        };
        assert_eq!(of(b"one\ntw", false), ("one".into(), 4));
        assert_eq!(of(b"one\ntw", true), ("one|tw".into(), 6));
        let timed = b"2026-11-20 09:45:23,659 INFO  a\n\tat b\n\tat";
        assert_eq!(of(timed, false), ("2026-11-20 09:45:23,659 INFO  a\n\tat b".into(), 38));
    }

    #[test]
    fn days_agree_with_the_clock() {
        for ms in [0, 951_782_400_000, 1_795_167_923_659_u64] {
            let text = rfc3339(ms).replace('T', " ").replace('.', ",").replace('Z', "");
            assert_eq!(unix_ms(&text), i64::try_from(ms).ok());
        }
    }
}

//! Unix milliseconds as RFC 3339 text, without a clock.

use std::time::Duration;

/// How far walls' clocks may differ, between two processes or before and after a jump, while the promises hold.
pub const CLOCKS: Duration = Duration::from_secs(15 * 60);

/// `2026-11-20T09:45:23.659Z` of Unix time in milliseconds.
///
/// # Source
/// Civil-from-days of the proleptic Gregorian calendar (RFC 3339 section 5.6).
pub fn rfc3339(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let mut text = String::with_capacity(24);
    let parts = [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (hour, 2, ':'), (minute, 2, ':'), (second, 2, '.')];
    for (number, width, after) in parts.into_iter().chain([(ms % 1000, 3, 'Z')]) {
        digits(&mut text, number, width);
        text.push(after);
    }
    text
}

/// Decimal digits, at least so many. Every answer and every line of the log has moments in it: `write!` would go through
/// a formatter seven times for each.
fn digits(text: &mut String, number: u64, width: u32) {
    if width > 1 || number > 9 {
        digits(text, number / 10, width.saturating_sub(1));
    }
    text.extend(u32::try_from(number % 10).ok().and_then(|digit| char::from_digit(digit, 10)));
}

fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Unix milliseconds of RFC 3339 text in UTC, `2026-11-20T09:45:23.659018Z`; what is finer than a millisecond is cut.
pub fn unix_ms(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let fits = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + digits.parse::<u64>().ok()?)
}

/// Unix milliseconds of any RFC 3339 text as people write it: with an offset, in lower case, and on a day there is.
pub fn moment_ms(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => with_offset(&text)?,
    };
    let ms = unix_ms(&format!("{local}Z"))?;
    let is_a_day = local.get(..10)? == rfc3339(ms).get(..10)?;
    is_a_day.then(|| ms.checked_add_signed(-offset)).flatten()
}

/// The text before an offset such as `+01:00`, and the offset in milliseconds.
fn with_offset(text: &str) -> Option<(&str, i64)> {
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let [hours, minutes] = [offset.get(1..3)?, offset.get(4..)?].map(|part| part.parse::<u32>().ok());
    let (hours, minutes) = (hours.filter(|hours| *hours < 24)?, minutes.filter(|minutes| *minutes < 60)?);
    (offset.get(3..4)? == ":").then_some((local, sign * i64::from(hours * 60 + minutes) * 60_000))
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let numbers: Option<Vec<u64>> = text.split(between).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// Days since 1970-01-01: the inverse of [`civil`].
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{moment_ms, rfc3339, unix_ms};

    #[test]
    fn moments_read_back() {
        for ms in [0, 951_782_400_000, 1_795_167_923_659, 1_709_164_800_001, 4_102_444_799_999] {
            assert_eq!(unix_ms(&rfc3339(ms)), Some(ms));
        }
        assert_eq!(unix_ms("2026-11-20T09:45:23Z"), Some(1_795_167_923_000));
        assert_eq!(unix_ms("2026-11-20T09:45:23.659018Z"), Some(1_795_167_923_659));
        for bad in ["", "2026-11-20", "2026-13-20T09:45:23Z", "2026-11-20T09:45:23+01:00", "x-1-1T1:1:1Z", "1-1T1:1Z"] {
            assert_eq!(unix_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn people_write_moments_with_offsets() {
        let at = 1_795_167_923_000;
        let written = [
            "2026-11-20T09:45:23Z",
            "2026-11-20t09:45:23.0z",
            "2026-11-20T10:45:23+01:00",
            "2026-11-19T22:15:23.000-11:30",
        ];
        for text in written {
            assert_eq!(moment_ms(text), Some(at), "{text}");
        }
        for bad in ["", "Z", "2026-11-20T09:45:23", "2026-02-30T00:00:00Z", "2026-11-20T09:45:23+1:00", "\u{e9}+01:00"]
        {
            assert_eq!(moment_ms(bad), None, "{bad}");
        }
        for bad in ["+24:00", "+01:60", "+01-00", "*01:00", "+0a:00", "+01:00Z"] {
            assert_eq!(moment_ms(&format!("2026-11-20T09:45:23{bad}")), None, "{bad}");
        }
        assert_eq!(moment_ms("1970-01-01T00:00:00+01:00"), None, "before the epoch");
    }

    #[test]
    fn known_moments() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_167_923_659, "2026-11-20T09:45:23.659Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}

//! Lines as they come and go.

use std::io::{BufRead, Read as _, Write};

use tokio::sync::mpsc::{Receiver, Sender};

/// Longest line, in bytes (security-reliability.md T53).
const LONGEST_LINE: u64 = 1 << 20;

/// One line of input.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    Text(String),
    TooLong,
    /// Not UTF-8: a name in it would be read as another one.
    NotText,
}

/// Reads lines until the end of input or of the session.
pub(super) fn read_lines(input: &mut impl BufRead, lines: &Sender<Line>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = input.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes) {
        let too_long = bytes.len() as u64 > LONGEST_LINE && !bytes.ends_with(b"\n");
        if too_long && input.skip_until(b'\n').is_err() {
            return;
        }
        let line = if too_long { Line::TooLong } else { text(&bytes) };
        if lines.blocking_send(line).is_err() {
            return;
        }
        bytes.clear();
    }
}

fn text(bytes: &[u8]) -> Line {
    let read = std::str::from_utf8(bytes);
    read.map_or(Line::NotText, |line| Line::Text(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Writes lines until there are no more senders or nobody reads.
pub(super) fn write_lines(output: &mut impl Write, mut lines: Receiver<String>) {
    while let Some(mut line) = lines.blocking_recv() {
        line.push('\n');
        if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::channel;

    use super::*;

    #[test]
    fn lines_are_cut_at_their_limit_and_reading_goes_on() {
        let (lines, mut read) = channel(9);
        let most = usize::try_from(LONGEST_LINE).unwrap();
        let input = format!("a\r\n\n{}\n{}\nb\n{}c", "x".repeat(most), "x".repeat(most + 1), "y".repeat(3));
        read_lines(&mut input.as_bytes(), &lines);
        drop(lines);
        let text = |text: &str| Some(Line::Text(text.to_owned()));
        let mut next = || read.blocking_recv();
        assert_eq!((next(), next()), (text("a"), text("")));
        assert_eq!((next(), next()), (text(&"x".repeat(most)), Some(Line::TooLong)));
        assert_eq!((next(), next(), next()), (text("b"), text("yyyc"), None));
    }

    #[test]
    fn a_line_that_is_not_utf8_is_not_guessed_at() {
        let (lines, mut read) = channel(9);
        read_lines(&mut &b"{\"job_name\":\"\xff\"}\n\xc3\xbc\n"[..], &lines);
        assert_eq!((read.try_recv(), read.try_recv()), (Ok(Line::NotText), Ok(Line::Text("\u{fc}".into()))));
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Event {
    /// The lines of its data; empty for an event that only carries an id or a wait.
    pub(super) data: String,
    /// Its name, where it has one.
    pub(super) name: Option<String>,
    /// Its id, where it has one.
    pub(super) id: Option<String>,
    /// Milliseconds to wait before the stream is taken up again.
    pub(super) retry: Option<u64>,
}

/// Reads `text/event-stream` as it arrives (HTML, section 9.2): any line ending, any cut between pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    event: Event,
    has_data: bool,
    size: usize,
    framing: Framing,
}

#[derive(Debug, Default, Eq, PartialEq)]
enum Framing {
    #[default]
    Events,
    /// Each line is the data of an event: the framing of pipes.
    Lines,
}

/// An event is larger than allowed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct TooLarge;

impl Reader {
    /// A reader of lines, each of which is the data of an event.
    pub(super) fn of_lines() -> Self {
        Self { framing: Framing::Lines, ..Self::default() }
    }

    /// The events that a piece completes.
    ///
    /// # Errors
    /// [`TooLarge`] when one is larger than `most` bytes.
    pub(super) fn feed(&mut self, piece: &[u8], most: usize) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in piece {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ => {
                    self.size += 1;
                    self.line.push(byte);
                    if self.size > most {
                        return Err(TooLarge);
                    }
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let raw = line.len();
        let line = String::from_utf8_lossy(&line);
        if self.framing == Framing::Lines {
            self.size = 0;
            return (!line.is_empty()).then(|| Event { data: line.into_owned(), ..Event::default() });
        }
        let line = if std::mem::replace(&mut self.begun, true) { &line } else { line.trim_start_matches('\u{feff}') };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        self.take(field, value.strip_prefix(' ').unwrap_or(value));
        if field.is_empty() {
            // Not the length of the text: what is no UTF-8 is longer there.
            self.size = self.size.saturating_sub(raw);
        }
        None
    }

    fn take(&mut self, field: &str, value: &str) {
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "event" => self.event.name = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.event.retry = value.parse().ok();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        (self.size, self.has_data) = (0, false);
        let event = std::mem::take(&mut self.event);
        (event != Event::default()).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\n\nid: 7\nretry: 500\ndata:\n\nevent: message\rdata: {\"a\":\rdata:1}\r\r\
                          : ping\r\n\r\ndata: ü\r\n\r\ndata: cut";

    fn events(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<Event> {
        let mut reader = Reader::default();
        pieces.into_iter().flat_map(|piece| reader.feed(&piece, 64).unwrap()).collect()
    }

    #[test]
    fn however_it_is_cut_the_events_are_the_same() {
        let whole = events([STREAM.as_bytes().to_vec()]);
        let want = [
            Event { id: Some("7".into()), retry: Some(500), ..Event::default() },
            Event { data: "{\"a\":\n1}".into(), name: Some("message".into()), ..Event::default() },
            Event { data: "ü".into(), ..Event::default() },
        ];
        assert_eq!(whole, want);
        for size in 1..STREAM.len() {
            assert_eq!(events(STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec)), want, "{size}");
        }
    }

    #[test]
    fn a_line_is_an_event_where_lines_are() {
        let mut reader = Reader::of_lines();
        assert_eq!(reader.feed(b"{\"a\":", 8).unwrap(), []);
        let data = |event: &Event| event.data.clone();
        let events = reader.feed(b"1}\r\n\n: {}\n", 8).unwrap();
        assert_eq!(events.iter().map(data).collect::<Vec<_>>(), ["{\"a\":1}", ": {}"]);
        assert_eq!(reader.feed(&[b'x'; 9], 8), Err(TooLarge));
    }

    #[test]
    fn an_event_has_a_bound_and_comments_do_not_count() {
        let mut reader = Reader::default();
        assert!(reader.feed(b": keep alive\n: keep alive\n: keep alive\n", 20).is_ok());
        assert_eq!(reader.feed(&[b'x'; 21], 20), Err(TooLarge));
    }

    #[test]
    fn a_comment_takes_no_more_off_the_count_than_it_put_on() {
        let mut reader = Reader::default();
        assert!(reader.feed(b"data: 12345678\n:\xff\xff\xff\xff\xff\n", 20).is_ok());
        assert_eq!(reader.feed(b"data: 12345678\n", 20), Err(TooLarge));
    }

    #[test]
    fn a_comment_takes_no_less_off_the_count_than_it_put_on() {
        let mut reader = Reader::default();
        assert!(reader.feed(b"\xef\xbb\xbf:12345\ndata: 5678\n\n", 10).is_ok());
    }
}

use super::protocol_error::ProtocolError;
use crate::{engine::HttpRequest, error::ErrorKind};

/// Refuses a body that is not plain JSON and a caller that does not accept it.
pub(super) fn check(request: &HttpRequest) -> Result<(), ProtocolError> {
    if !is_json(request) {
        return Err(ProtocolError::of_kind(
            ErrorKind::UnsupportedMediaType,
            "send one Content-Type: application/json and no Content-Encoding",
        ));
    }
    if !accepts_json(request) {
        return Err(ProtocolError::of_kind(ErrorKind::NotAcceptable, "accept application/json and text/event-stream"));
    }
    Ok(())
}

fn values<'a>(request: &'a HttpRequest, name: &'a str) -> impl Iterator<Item = &'a str> {
    request.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn is_json(request: &HttpRequest) -> bool {
    let mut types = values(request, "content-type");
    let one = types.next().is_some_and(|value| essence(value).eq_ignore_ascii_case("application/json"));
    let plain = values(request, "content-encoding").all(|value| value.trim().eq_ignore_ascii_case("identity"));
    one && types.next().is_none() && plain
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn accepts_json(request: &HttpRequest) -> bool {
    accepts(request, ["application/json", "application/*", "*/*"])
}

/// True when the caller takes a stream of events.
pub(super) fn accepts_events(request: &HttpRequest) -> bool {
    accepts(request, ["text/event-stream", "text/*", "*/*"])
}

/// The most specific range that covers a type decides; no header accepts everything (RFC 9110, section 12.5.1).
fn accepts(request: &HttpRequest, covering: [&str; 3]) -> bool {
    let ranges = || values(request, "accept").flat_map(|value| value.split(','));
    let decisive = covering.iter().find_map(|name| ranges().find(|range| essence(range).eq_ignore_ascii_case(name)));
    decisive.map_or_else(|| ranges().next().is_none(), |range| !is_refused(range))
}

fn is_refused(range: &str) -> bool {
    let weight = range.split(';').skip(1).find_map(|part| part.trim().strip_prefix("q="));
    weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        HttpRequest { headers, ..HttpRequest::default() }
    }

    #[test]
    fn only_one_plain_json_body_is_taken() {
        for (headers, ok) in [
            (&[("content-type", "application/json")][..], true),
            (&[("content-type", "Application/JSON; charset=utf-8")], true),
            (&[("content-type", "application/json"), ("content-encoding", "identity")], true),
            (&[("content-type", "application/json"), ("content-encoding", "gzip")], false),
            (&[("content-type", "application/json"), ("content-type", "text/plain")], false),
            (&[("content-type", "application/jsonp")], false),
            (&[("content-type", "text/plain")], false),
            (&[], false),
        ] {
            assert_eq!(is_json(&request(headers)), ok, "{headers:?}");
        }
    }

    #[test]
    fn a_caller_must_accept_json() {
        for (accept, ok) in [
            ("application/json, text/event-stream", true),
            ("text/event-stream;q=1,APPLICATION/json;q=0.1", true),
            ("*/*", true),
            ("application/*", true),
            ("application/json;q=0, */*", false),
            ("application/json; q=0.000", false),
            ("text/event-stream", false),
            ("text/html", false),
            ("", false),
        ] {
            assert_eq!(accepts_json(&request(&[("accept", accept)])), ok, "{accept}");
        }
        assert!(accepts_json(&request(&[])));
    }
}

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use beam_mcp_core::effect::Response;
use bytes::Bytes;
use hyper::{
    StatusCode,
    body::{Frame, SizeHint},
    header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    handover::{Ending, Handover},
    sse::{Events, Next},
};

/// A body on its way out.
pub(super) enum Body {
    Whole(Option<Bytes>),
    Events(Streamed),
}

/// Events as long as hyper writes them.
pub(super) struct Streamed {
    events: Option<Box<Events>>,
    ending: Ending,
    handover: Arc<Handover>,
}

impl Streamed {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(events) = &mut self.events else { return Poll::Pending };
        match ready!(events.poll_next(context)) {
            Next::Bytes(bytes) => Poll::Ready(Some(bytes)),
            Next::End => Poll::Ready(None),
            Next::Quiet => {
                // hyper flushes after this, and the socket leaves it when that is done.
                self.events.take().into_iter().for_each(|events| self.handover.offer(events, self.ending));
                Poll::Pending
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => events.poll_bytes(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// Headers that belong to the connection and not to the answer (RFC 9110 section 7.6.1), and the length hyper writes.
const NOT_OURS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// An answer as hyper writes it; for `HEAD` the length is told and the body left out.
pub(super) fn whole(response: Response, is_head: bool) -> hyper::Response<Body> {
    let bytes = Bytes::from(response.body.into_bytes());
    let length = bytes.len();
    let body = if is_head || bytes.is_empty() { None } else { Some(bytes) };
    let mut answer = hyper::Response::new(Body::Whole(body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    append(headers, &response.headers);
    if is_head {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    answer
}

fn append(headers: &mut HeaderMap, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        if let Some((name, value)) = pair
            && !NOT_OURS.contains(&name.as_str())
        {
            headers.append(name, value);
        }
    }
}

/// The head of a stream of events.
pub(super) fn streaming(
    events: Events,
    ending: Ending,
    handover: Arc<Handover>,
    for_page: &[(String, String)],
) -> hyper::Response<Body> {
    let streamed = Streamed { events: Some(Box::new(events)), ending, handover };
    let mut answer = hyper::Response::new(Body::Events(streamed));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    append(headers, for_page);
    answer
}

/// The same answer as the last one of its connection.
pub(super) fn closing(mut answer: hyper::Response<Body>) -> hyper::Response<Body> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// True for a request after whose answer the connection ends (RFC 9112 section 9.6).
pub(super) fn asks_to_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_is_one_of_the_options_of_a_connection() {
        for (values, closes) in [
            (&["close"][..], true),
            (&["x", "Keep-Alive, CLOSE"], true),
            (&["keep-alive", "closed"], false),
            (&[], false),
        ] {
            let headers = values.iter().fold(HeaderMap::new(), |mut headers, value| {
                headers.append(CONNECTION, HeaderValue::from_static(value));
                headers
            });
            assert_eq!(asks_to_close(&headers), closes, "{values:?}");
        }
    }
}

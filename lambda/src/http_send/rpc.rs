//! gRPC calls: its framing and status over an HTTP/2 client; knows no service.

use std::time::Duration;

use beam_mcp_core::effect::{Fault, FaultKind, Reply, StreamLimit};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use reqwest::Client;
use tokio::time::{Instant, timeout_at};

use super::{Inner, builder, built, classify, fault};

/// Largest message taken in an answer to a unary call.
const MESSAGE_BYTES: u64 = 16 << 20;
/// Most characters of a status message.
const TEXT: usize = 4 << 10;
const UNIMPLEMENTED: u32 = 12;
const UNKNOWN: u32 = 2;

/// One call.
#[derive(Debug)]
pub struct Call {
    pub(crate) target: String,
    pub(crate) method: String,
    pub(crate) message: Vec<u8>,
    pub(crate) limit: Duration,
    pub(crate) stream: Option<StreamLimit>,
}

impl Inner {
    pub(super) async fn rpc(&self, call: &Call) -> Result<Reply, Fault> {
        let end = Instant::now() + call.limit;
        let opened = timeout_at(end, self.open(call)).await;
        let answer = opened.unwrap_or_else(|_| Err(fault(FaultKind::Timeout, "")));
        let reply = match answer {
            Ok(answer) if answer.status() != 200 => Ok(without_grpc(answer.status().as_u16())),
            Ok(answer) => read(answer, call.stream, end).await,
            Err(fault) => Err(fault),
        };
        self.metrics.rpc(&call.target, &reply);
        reply
    }

    async fn open(&self, call: &Call) -> Result<reqwest::Response, Fault> {
        let base = self.endpoints.get(&call.target).ok_or_else(|| fault(FaultKind::UnknownTarget, ""))?;
        let url = reqwest::Url::parse(&format!("{base}{}", call.method));
        let url = url.map_err(|_| fault(FaultKind::UnknownTarget, "not a URL"))?;
        let client = self.h2_client(url.scheme() == "https")?;
        let headers = self.grpc_headers(call).await?;
        let sent = client.post(url).headers(headers).body(frame(&call.message)).send().await;
        sent.map_err(|error| classify(&error))
    }

    async fn grpc_headers(&self, call: &Call) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        let timeout = format!("{}m", call.limit.as_millis().clamp(1, 99_999_999));
        if let Ok(timeout) = HeaderValue::from_str(&timeout) {
            headers.insert("grpc-timeout", timeout);
        }
        if self.credentials.has(&call.target) {
            let attachment = self.credentials.get(&call.target).await;
            let attachment = attachment.map_err(|error| fault(FaultKind::Credential, error.0))?;
            headers.insert(attachment.name, attachment.value);
        }
        Ok(headers)
    }

    fn h2_client(&self, tls: bool) -> Result<&Client, Fault> {
        let [plain, secure] = &self.h2;
        let cell = if tls { secure } else { plain };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = built(builder().http2_prior_knowledge(), tls);
        let client = client.map_err(|_| fault(FaultKind::Tls, "no TLS client can be made on this machine"))?;
        Ok(cell.get_or_init(|| client))
    }
}

fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// What was read so far, and how the call ended.
#[derive(Default)]
struct Reading {
    frames: BytesMut,
    trailers: Option<HeaderMap>,
}

async fn read(answer: reqwest::Response, stream: Option<StreamLimit>, end: Instant) -> Result<Reply, Fault> {
    let head = answer.headers().clone();
    let mut body = http::Response::<reqwest::Body>::from(answer).into_body();
    let most = stream.map_or(MESSAGE_BYTES + 5, |limit| limit.max_bytes);
    let mut reading = Reading::default();
    loop {
        let until = stream.map_or(end, |limit| end.min(Instant::now() + Duration::from_millis(limit.quiet_ms)));
        let Ok(next) = timeout_at(until, body.frame()).await else {
            return if stream.is_some() { Ok(whole(&reading)) } else { Err(fault(FaultKind::Timeout, "")) };
        };
        let Some(next) = next else { break };
        match next.map_err(|error| classify(&error))?.into_data() {
            Ok(data) => reading.frames.extend_from_slice(&data),
            Err(other) => reading.trailers = other.into_trailers().ok(),
        }
        if reading.frames.len() as u64 > most {
            return if stream.is_some() { Ok(whole(&reading)) } else { Err(fault(FaultKind::TooLarge, "")) };
        }
    }
    ended(&reading, &head, stream.is_some())
}

/// A stream that was left alone, up to its last whole frame.
fn whole(reading: &Reading) -> Reply {
    let body = reading.frames[..whole_frames(&reading.frames)].to_vec();
    Reply::Rpc { status: 0, message: String::new(), body: body.into() }
}

fn whole_frames(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end + 1..end + 5).and_then(|length| length.try_into().ok()) {
        let next = end + 5 + usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if next > bytes.len() {
            break;
        }
        end = next;
    }
    end
}

/// A call whose server ended it. Without a body the status is among the headers.
fn ended(reading: &Reading, head: &HeaderMap, stream: bool) -> Result<Reply, Fault> {
    let tail = reading.trailers.as_ref().unwrap_or(head);
    let text = |name: &str| tail.get(name).and_then(|value| value.to_str().ok());
    let Some(status) = text("grpc-status").and_then(|status| status.parse().ok()) else {
        return Err(fault(FaultKind::Reset, "the call ended without a status"));
    };
    let message = percent_decoded(text("grpc-message").unwrap_or_default());
    let frames = &reading.frames[..whole_frames(&reading.frames)];
    let body = if stream { frames } else { frames.get(5..).unwrap_or_default() };
    Ok(Reply::Rpc { status, message, body: body.to_vec().into() })
}

/// An HTTP answer of something that is no gRPC server, as gRPC reads it.
fn without_grpc(http: u16) -> Reply {
    let status = match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => 14,
        _ => UNKNOWN,
    };
    Reply::Rpc { status, message: format!("HTTP status {http}"), body: Vec::new().into() }
}

fn percent_decoded(text: &str) -> String {
    let text = beam_mcp_core::url::decode(text, false).unwrap_or_else(|| text.to_owned());
    text.chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_one_ends() {
        let mut bytes = frame(b"ab").to_vec();
        bytes.extend_from_slice(&frame(b""));
        let whole = bytes.len();
        bytes.extend_from_slice(&[0, 0, 0, 0, 9, 1]);
        assert_eq!(whole_frames(&bytes), whole);
        assert_eq!((whole_frames(&[]), whole_frames(&[0, 255, 255, 255, 255])), (0, 0));
    }

    #[test]
    fn status_messages_are_decoded() {
        assert_eq!((percent_decoded("a%20b%C3%A9").as_str(), percent_decoded("100%").as_str()), ("a bé", "100%"));
        assert_eq!(percent_decoded(&"x".repeat(9000)).len(), TEXT);
    }
}

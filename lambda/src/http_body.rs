//! Bodies of outbound requests: bytes, and staged files streamed with their length known beforehand.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use beam_mcp_core::{
    effect::{Body, Part, SourceId},
    url,
};
use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

use crate::effects::Staging;

const CHUNK: usize = 64 << 10;

/// A body ready to be sent once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Media type, where the kind of body decides it.
    pub(crate) content_type: Option<String>,
    /// The bytes.
    pub(crate) body: reqwest::Body,
    /// Set when a staged file could not be read to its end.
    pub(crate) unreadable: Arc<AtomicBool>,
}

/// Makes a body; sources are opened now and read while they are sent.
///
/// # Errors
/// What the system says about a source, or that this host has no staged files.
pub(crate) async fn outgoing(body: &Body, staging: Option<&dyn Staging>) -> io::Result<Option<Outgoing>> {
    let plain = |content_type: &str, bytes: Vec<u8>| Some(Outgoing::bytes(Some(content_type), bytes));
    Ok(match body {
        Body::Empty => None,
        Body::Json(value) => plain("application/json", serde_json::to_vec(value)?),
        Body::Form(pairs) => plain("application/x-www-form-urlencoded", form(pairs)),
        Body::Raw(blob) => Some(Outgoing::bytes(None, blob.as_slice().to_vec())),
        Body::Source(source) => {
            let segment = open(source, staging).await?;
            Some(Outgoing::stream(Some("application/octet-stream".into()), vec![segment]))
        }
        Body::Multipart(parts) => Some(multipart(parts, staging).await?),
    })
}

impl Outgoing {
    fn bytes(content_type: Option<&str>, bytes: Vec<u8>) -> Self {
        let content_type = content_type.map(str::to_owned);
        Self { content_type, body: bytes.into(), unreadable: Arc::default() }
    }

    fn stream(content_type: Option<String>, segments: Vec<Segment>) -> Self {
        let unreadable = Arc::new(AtomicBool::new(false));
        let left = segments.iter().map(Segment::len).sum();
        let body = Segments { queue: segments.into(), left, unreadable: unreadable.clone() };
        Self { content_type, body: reqwest::Body::wrap(body), unreadable }
    }
}

fn form(pairs: &[(String, String)]) -> Vec<u8> {
    let pair = |(name, value): &(String, String)| format!("{}={}", url::encode(name), url::encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes()
}

async fn open(source: &SourceId, staging: Option<&dyn Staging>) -> io::Result<Segment> {
    let staging = staging.ok_or_else(|| io::Error::other("this host keeps no staged files"))?;
    let opened = staging.open(source).await?;
    Ok(Segment::File { file: opened.file, left: opened.size })
}

async fn multipart(parts: &[Part], staging: Option<&dyn Staging>) -> io::Result<Outgoing> {
    let boundary = boundary()?;
    let mut segments = Vec::with_capacity(parts.len() * 2 + 1);
    for (number, part) in parts.iter().enumerate() {
        let lead = if number == 0 { "" } else { "\r\n" };
        segments.push(Segment::Bytes(format!("{lead}--{boundary}\r\n{}", part_head(part)).into()));
        segments.push(open(&part.source, staging).await?);
    }
    segments.push(Segment::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    Ok(Outgoing::stream(Some(format!("multipart/form-data; boundary={boundary}")), segments))
}

/// Names are escaped as browsers do (HTML, multipart/form-data encoding algorithm).
fn part_head(part: &Part) -> String {
    let quoted = |text: &str| text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let content_type = part.content_type.replace(['\r', '\n'], "");
    format!(
        "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {content_type}\r\n\r\n",
        quoted(&part.name),
        quoted(&part.file_name),
    )
}

fn boundary() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("beam-mcp-{}", beam_mcp_core::random::hex(&random)))
}

#[derive(Debug)]
enum Segment {
    Bytes(Bytes),
    File { file: File, left: u64 },
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { left, .. } => *left,
        }
    }
}

/// Segments one after the other.
struct Segments {
    queue: VecDeque<Segment>,
    left: u64,
    unreadable: Arc<AtomicBool>,
}

impl Segments {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match self.queue.front_mut() {
                None => return Poll::Ready(None),
                Some(Segment::File { left: 0, .. }) => drop(self.queue.pop_front()),
                Some(Segment::File { file, left }) => return poll_file(file, left, context).map(Some),
                Some(Segment::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.queue.pop_front();
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
        }
    }
}

fn poll_file(file: &mut File, left: &mut u64, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let most = usize::try_from(*left).map_or(CHUNK, |left| left.min(CHUNK));
    let mut chunk = BytesMut::zeroed(most);
    let mut buffer = ReadBuf::new(&mut chunk);
    ready!(Pin::new(file).poll_read(context, &mut buffer))?;
    let read = buffer.filled().len();
    if read == 0 {
        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
    }
    chunk.truncate(read);
    *left -= read as u64;
    Poll::Ready(Ok(chunk.freeze()))
}

impl hyper::body::Body for Segments {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let next = ready!(this.poll_next(context));
        match &next {
            Some(Ok(bytes)) => this.left -= bytes.len() as u64,
            Some(Err(_)) => this.unreadable.store(true, Ordering::Relaxed),
            None => {}
        }
        Poll::Ready(next.map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

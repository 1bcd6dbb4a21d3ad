//! Answers in the form the services were recorded with (`tests/vectors/portable/recorded`), cut to what is read.

use beam_mcp_core::{
    effect::Blob,
    job_api::{message::State, protobuf::Encoder},
};

use super::{Kind, pipeline::Pipeline};
use crate::runner::Answer;

pub(super) fn ok(body: Vec<u8>) -> Answer {
    Answer::Rpc(0, String::new(), body.into())
}

fn status(status: u32, message: String) -> Answer {
    Answer::Rpc(status, message, Blob::EMPTY)
}

/// UNKNOWN, in whose words.
pub(super) fn no_job(kind: Kind, id: &str) -> Answer {
    match kind {
        Kind::Prism => status(2, format!("job with id {id} not found")),
        Kind::Python => raised(&format!("'{id}'")),
    }
}

pub(super) fn raised(what: &str) -> Answer {
    status(2, format!("Exception calling application: {what}"))
}

pub(super) fn no_drain(kind: Kind) -> Answer {
    let words = if kind == Kind::Prism { "method Drain not implemented" } else { "Method not implemented!" };
    status(12, words.into())
}

pub(super) fn prepared(id: &str) -> Answer {
    let endpoint = Encoder::new().text(1, "localhost:28073").finish();
    ok(Encoder::new().text(1, id).bytes(2, &endpoint).text(3, id).finish())
}

pub(super) fn ran(id: &str) -> Answer {
    ok(Encoder::new().text(1, id).finish())
}

pub(super) fn of_state(state: State) -> Answer {
    ok(Encoder::new().varint(1, state.0).finish())
}

pub(super) fn jobs<'a>(pipelines: impl Iterator<Item = &'a Pipeline>, at: u64) -> Answer {
    let entry = |out: Encoder, pipeline: &Pipeline| {
        let entry = Encoder::new().text(1, &pipeline.id).text(2, &pipeline.name).bytes(3, &pipeline.options);
        out.bytes(1, &entry.varint(4, pipeline.state(at).0).finish())
    };
    ok(pipelines.fold(Encoder::new(), entry).finish())
}

pub(super) fn state(pipeline: &Pipeline, at: u64, offset: u64) -> Answer {
    let since = pipeline.since(at) + offset;
    let time = Encoder::new().varint(1, since / 1000).varint(2, since % 1000 * 1_000_000).finish();
    ok(Encoder::new().varint(1, pipeline.state(at).0).bytes(2, &time).finish())
}

/// One message in gRPC's frame.
pub(super) fn messages(pipeline: &Pipeline, at: u64) -> Answer {
    let (importance, text) =
        if pipeline.state(at) == State::FAILED { (5, "Traceback\nValueError: bad 7") } else { (3, "at work") };
    let message = Encoder::new().text(1, "1").text(2, "0").varint(3, importance).text(4, text).finish();
    let item = Encoder::new().bytes(1, &message).finish();
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(item.len()).unwrap_or(0).to_be_bytes());
    framed.extend_from_slice(&item);
    ok(framed)
}

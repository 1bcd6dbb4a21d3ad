//! What faults make of answers, over HTTP and over gRPC.

use beam_mcp_core::{
    effect::{Blob, Fault as Broken, FaultKind, Outcome, Reply, Response},
    job_api::protobuf::Message as Fields,
};

use crate::{fault::Fault, runner::Answer};

/// What came back of one message.
pub(super) type Came = Result<Answer, Broken>;

pub(super) fn broken(kind: FaultKind) -> Broken {
    Broken { kind, detail: String::new() }
}

/// The reply to a flow that waits for one answer, or for all of several.
pub(super) fn reply(mut came: Vec<Came>, all: bool) -> Reply {
    if all {
        return Reply::Responses { outcomes: came.into_iter().map(outcome).collect() };
    }
    match came.pop() {
        Some(Ok(Answer::Http(response))) => Reply::Response(response),
        Some(Ok(Answer::Rpc(status, message, body))) => Reply::Rpc { status, message, body },
        Some(Err(broken)) => Reply::Fault(broken),
        None => Reply::Responses { outcomes: Vec::new() },
    }
}

fn outcome(came: Came) -> Outcome {
    match came {
        Ok(Answer::Http(response)) => Outcome::Response(response),
        Ok(Answer::Rpc(..)) => Outcome::Fault(broken(FaultKind::Reset)),
        Err(broken) => Outcome::Fault(broken),
    }
}

/// What is answered instead of doing the work.
pub(super) fn refusal(fault: Fault, way: u64, rpc: bool) -> Answer {
    let pick = |count: u64| usize::try_from(way / 8 % count).unwrap_or(0);
    if rpc {
        return match fault {
            Fault::TooMany => status(8, "too many calls"),
            _ => status([2, 13, 14, 4][pick(4)], "upstream"),
        };
    }
    let after = ["2", "999999", "soon", ""][pick(4)];
    let headers = if after.is_empty() { Vec::new() } else { vec![("retry-after".to_owned(), after.to_owned())] };
    let (status, body) = match fault {
        Fault::TooMany => (429, "{\"errors\":[\"too many requests\"]}"),
        _ => ([500, 502, 503, 504][pick(4)], "<html>upstream</html>"),
    };
    Answer::Http(Response { status, headers, body: body.into() })
}

fn status(status: u32, message: &str) -> Answer {
    Answer::Rpc(status, message.into(), Blob::EMPTY)
}

/// What becomes of an answer on its way back.
pub(super) fn spoil(answer: Answer, fault: Fault, way: u64) -> Came {
    match (fault, answer) {
        (Fault::AnswerLost, _) => Err(broken(FaultKind::Reset)),
        (Fault::ServerError, Answer::Http(_)) if way % 4 == 1 => Ok(server_error(500)),
        (Fault::ServerError, Answer::Http(_)) if way % 4 == 3 => Ok(server_error(504)),
        (Fault::ServerError, Answer::Rpc(..)) if way % 2 == 1 => {
            Ok(status([13, 14][usize::from(way % 4 == 1)], "lost"))
        }
        (Fault::Mangled, _) if way.is_multiple_of(4) => Err(broken(FaultKind::TooLarge)),
        (Fault::Mangled, Answer::Http(response)) => Ok(Answer::Http(mangled(response, way))),
        (Fault::Mangled, Answer::Rpc(status, message, body)) => Ok(Answer::Rpc(status, message, garbled(&body, way))),
        (_, answer) => Ok(answer),
    }
}

/// An answer cut short, of wrong types, or of another form.
fn mangled(response: Response, way: u64) -> Response {
    let text = response.body.text().into_owned();
    let body = match way % 4 {
        1 => text.get(..response.body.as_slice().len() / 2).unwrap_or_default().to_owned(),
        2 => text.replace(":\"", ":1.5,\"x\":\""),
        _ => "[17]".into(),
    };
    Response { body: body.into(), ..response }
}

/// A message cut short, or one that is none. gRPC's frames tell their length: half of a list never passes for a list of
/// its own, so what is cut here can always be seen to be.
fn garbled(body: &Blob, way: u64) -> Blob {
    let bytes = body.as_slice();
    let half = &bytes[..bytes.len() / 2];
    match way % 4 {
        1 if Fields::read(half).is_err() => half.to_vec().into(),
        _ => vec![0x0a, 0x07, b'j'].into(),
    }
}

fn server_error(status: u16) -> Answer {
    let body = "{\"errors\":[\"Internal server error.\"]}".into();
    Answer::Http(Response { status, headers: Vec::new(), body })
}

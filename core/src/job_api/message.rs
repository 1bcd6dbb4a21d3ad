//! Requests and answers of the job service.

use serde_json::{Map, Value};

use super::{
    protobuf::{Encoder, Message, frames},
    structure,
};
use crate::error::Error;

/// A job's state on the service (`JobState.Enum`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct State(pub u64);

impl State {
    /// Prepared, or about to start.
    pub const STOPPED: Self = Self(1);
    /// Executing.
    pub const RUNNING: Self = Self(2);
    /// Ended well.
    pub const DONE: Self = Self(3);
    /// Ended badly.
    pub const FAILED: Self = Self(4);
    /// Ended by a cancel.
    pub const CANCELLED: Self = Self(5);
    /// Replaced.
    pub const UPDATED: Self = Self(6);
    /// Flushing.
    pub const DRAINING: Self = Self(7);
    /// Ended after a flush.
    pub const DRAINED: Self = Self(8);
    /// About to execute.
    pub const STARTING: Self = Self(9);
    /// About to end.
    pub const CANCELLING: Self = Self(10);
    /// Being replaced.
    pub const UPDATING: Self = Self(11);

    /// Beam's word for it.
    pub fn word(self) -> &'static str {
        const WORDS: [&str; 12] = [
            "UNSPECIFIED",
            "STOPPED",
            "RUNNING",
            "DONE",
            "FAILED",
            "CANCELLED",
            "UPDATED",
            "DRAINING",
            "DRAINED",
            "STARTING",
            "CANCELLING",
            "UPDATING",
        ];
        usize::try_from(self.0).ok().and_then(|index| WORDS.get(index)).copied().unwrap_or("UNKNOWN")
    }
}

/// One job of `GetJobs`.
#[derive(Clone, Debug, PartialEq)]
pub struct JobInfo {
    /// The service's id.
    pub id: String,
    /// The name it was prepared under.
    pub name: String,
    /// Its options, by names like `beam:option:streaming:v1`.
    pub options: Map<String, Value>,
    /// Its state.
    pub state: State,
}

/// A state and since when it holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StateEvent {
    /// The state.
    pub state: State,
    /// Unix milliseconds, where the service says.
    pub at_ms: Option<u64>,
}

/// One item of a message stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message for people.
    Message {
        /// Number within the job, where the service gives one.
        id: String,
        /// Time in the service's own words.
        time: String,
        /// 1 debug, 2 detailed, 3 basic, 4 warning, 5 error.
        importance: u64,
        /// The text.
        text: String,
    },
    /// The job has come into a state.
    State(StateEvent),
}

/// A pipeline that was prepared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepare {
    /// The encoded pipeline.
    pub pipeline: Vec<u8>,
    /// The encoded options.
    pub options: Vec<u8>,
    /// The name.
    pub job_name: String,
}

/// The request of every call about one job.
pub fn about(job_id: &str) -> Vec<u8> {
    Encoder::new().text(1, job_id).finish()
}

/// The answer to `GetJobs`.
///
/// # Errors
/// `malformed_response`
pub fn jobs(body: &[u8]) -> Result<Vec<JobInfo>, Error> {
    Message::read(body)?.all(1).map(job_info).collect()
}

fn job_info(bytes: &[u8]) -> Result<JobInfo, Error> {
    let info = Message::read(bytes)?;
    Ok(JobInfo {
        id: info.text(1),
        name: info.text(2),
        options: structure::read(info.bytes(3).unwrap_or_default())?,
        state: State(info.varint(4).unwrap_or_default()),
    })
}

/// The answer to `GetState`, and one item of a state stream.
///
/// # Errors
/// `malformed_response`
pub fn state_event(body: &[u8]) -> Result<StateEvent, Error> {
    let event = Message::read(body)?;
    let at_ms = event.bytes(2).map(timestamp).transpose()?;
    Ok(StateEvent { state: State(event.varint(1).unwrap_or_default()), at_ms: at_ms.filter(|at| *at > 0) })
}

fn timestamp(bytes: &[u8]) -> Result<u64, Error> {
    let time = Message::read(bytes)?;
    let seconds = time.varint(1).unwrap_or_default();
    Ok(seconds.saturating_mul(1_000).saturating_add(time.varint(2).unwrap_or_default() / 1_000_000))
}

/// The state in the answer to `Cancel` and `Drain`.
///
/// # Errors
/// `malformed_response`
pub fn state(body: &[u8]) -> Result<State, Error> {
    Ok(State(Message::read(body)?.varint(1).unwrap_or_default()))
}

/// What was read of a message stream, in order.
///
/// # Errors
/// `malformed_response`
pub fn events(framed: &[u8]) -> Result<Vec<Event>, Error> {
    let events = frames(framed).map(event).collect::<Result<Vec<_>, _>>()?;
    Ok(events.into_iter().flatten().collect())
}

fn event(bytes: &[u8]) -> Result<Option<Event>, Error> {
    let item = Message::read(bytes)?;
    if let Some(state) = item.bytes(2) {
        return state_event(state).map(|event| Some(Event::State(event)));
    }
    let Some(message) = item.bytes(1).map(Message::read).transpose()? else { return Ok(None) };
    Ok(Some(Event::Message {
        id: message.text(1),
        time: message.text(2),
        importance: message.varint(3).unwrap_or_default(),
        text: message.text(4),
    }))
}

impl Prepare {
    /// Reads a request.
    ///
    /// # Errors
    /// `malformed_response`
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let request = Message::read(body)?;
        let owned = |number| request.bytes(number).unwrap_or_default().to_vec();
        Ok(Self { pipeline: owned(1), options: owned(2), job_name: request.text(3) })
    }

    /// The request.
    pub fn write(&self) -> Vec<u8> {
        Encoder::new().bytes(1, &self.pipeline).bytes(2, &self.options).text(3, &self.job_name).finish()
    }
}

/// The id in the answer to `Prepare` and to `Run`.
///
/// # Errors
/// `malformed_response`, also without an id.
pub fn first_text(body: &[u8]) -> Result<String, Error> {
    let id = Message::read(body)?.text(1);
    if id.is_empty() { Err(Error::malformed("the job service answered without an id")) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back() {
        let prepare = Prepare { pipeline: vec![10, 0], options: vec![], job_name: "job".into() };
        assert_eq!(Prepare::read(&prepare.write()).unwrap(), prepare);
        assert_eq!(about("job-001"), b"\x0a\x07job-001");
        assert!(first_text(&[]).is_err());
    }

    #[test]
    fn states_have_beams_words() {
        assert_eq!((State::DONE.word(), State(11).word(), State(99).word()), ("DONE", "UPDATING", "UNKNOWN"));
    }
}

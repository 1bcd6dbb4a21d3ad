use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error, Now, Step,
    auth::Caller,
    call::Labels,
    client::{self, ClientOptions},
    effect::{Response, decode_reply, encode_effect},
};
use pyo3::{prelude::*, types::PyBytes};
use serde_json::{Value, json};

use crate::connection::Connection;

/// What a step gives back: kind, JSON, byte parts.
type Stepped<'py> = (&'static str, String, Vec<Bound<'py, PyBytes>>);
type Plain = (&'static str, String, Vec<Vec<u8>>);

/// The four correlation labels: session, trace, transaction, user.
type LabelTuple = (Option<String>, Option<String>, Option<String>, Option<String>);

pub(crate) enum Running {
    Delay(beam_mcp_core::Flow<Duration>),
    Response(beam_mcp_core::Flow<Response>),
    Value(beam_mcp_core::Flow<Value>),
}

/// A sequence of effects; see the contract in the documentation of `beam_mcp_client.drive`.
#[pyclass(frozen, module = "beam_mcp_client._core")]
pub(crate) struct Flow(Mutex<Running>);

impl Flow {
    pub(crate) fn new(running: Running) -> Self {
        Self(Mutex::new(running))
    }
}

#[pymethods]
impl Flow {
    /// Advances with the reply to the last effect.
    ///
    /// Returns `("effect", json, parts)`, `("done", json, parts)` or `("failed", json, [])`.
    #[expect(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
    #[pyo3(signature = (mono_ms, wall_ms, reply=None, parts=Vec::new()))]
    fn step<'py>(
        &self,
        py: Python<'py>,
        mono_ms: u64,
        wall_ms: u64,
        reply: Option<&str>,
        parts: Vec<Bound<'py, PyBytes>>,
    ) -> Stepped<'py> {
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
        let now = Now { mono: Duration::from_millis(mono_ms), wall_ms };
        let (kind, json, parts) = py.detach(|| self.advance(now, reply, parts));
        (kind, json, parts.iter().map(|part| PyBytes::new(py, part)).collect())
    }

    /// True once an intent is durable: drive the flow to its end even when its caller is gone.
    #[getter]
    fn must_finish(&self) -> bool {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Running::Delay(flow) => flow.must_finish(),
            Running::Response(flow) => flow.must_finish(),
            Running::Value(flow) => flow.must_finish(),
        }
    }
}

impl Flow {
    fn advance(&self, now: Now, reply: Option<&str>, parts: Vec<Vec<u8>>) -> Plain {
        let reply = match reply.map(|json| decode_reply(json, parts)).transpose() {
            Ok(reply) => reply,
            Err(error) => return failed(&error),
        };
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Running::Delay(flow) => told(flow.step(now, reply), |delay| (delay.as_millis().to_string(), Vec::new())),
            Running::Response(flow) => told(flow.step(now, reply), |answer| {
                let head = json!({"status": answer.status, "headers": answer.headers, "body": {"part": 0}});
                (head.to_string(), vec![answer.body.into_bytes()])
            }),
            Running::Value(flow) => told(flow.step(now, reply), |value| (value.to_string(), Vec::new())),
        }
    }
}

fn told<T>(step: Step<T>, show: impl FnOnce(T) -> (String, Vec<Vec<u8>>)) -> Plain {
    match step {
        Step::Effect(effect) => match encode_effect(effect) {
            Ok((json, parts)) => ("effect", json, parts),
            Err(error) => failed(&error),
        },
        Step::Done(Ok(end)) => {
            let (json, parts) = show(end);
            ("done", json, parts)
        }
        Step::Done(Err(error)) => failed(&error),
    }
}

fn failed(error: &Error) -> Plain {
    ("failed", error_object(error).to_string(), Vec::new())
}

/// The error object with what Python makes of it.
pub(crate) fn error_object(error: &Error) -> Value {
    let mut object = error.to_json();
    let door = error.kind().door();
    object["class"] = door.python.into();
    object["exit"] = door.exit.into();
    object["operation"] = error.operation().into();
    object
}

/// Starts a call of a beam-mcp server.
///
/// `random` is 32 fresh random bytes; `labels` are session, trace, transaction and user id. Over a `connection` it calls
/// the tool of an MCP server.
#[pyfunction]
#[pyo3(signature = (verb, input, options, random, labels=(None, None, None, None), deadline_ms=None, connection=None))]
pub(crate) fn start_client(
    verb: &str,
    input: &str,
    options: &str,
    random: [u8; 32],
    labels: LabelTuple,
    deadline_ms: Option<u64>,
    connection: Option<&Connection>,
) -> PyResult<Flow> {
    let input: Value = read(input)?;
    let options: ClientOptions = read(options)?;
    let deadline = deadline_ms.map_or(Duration::MAX, Duration::from_millis);
    let call = Call { labels: into_labels(labels), ..Call::local(Caller::nobody(), deadline, random) };
    let flow = match connection {
        None => client::call(verb, input, options, call),
        Some(Connection(connection)) => client::call_over(connection, verb, input, options, call),
    };
    Ok(Flow::new(Running::Value(flow)))
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
}

fn into_labels((session_id, trace_id, transaction_id, user_id): LabelTuple) -> Labels {
    Labels { session_id, trace_id, transaction_id, user_id }
}

use std::time::Duration;

use beam_mcp_core::{
    Call, Error,
    auth::{Caller, Role},
    config::Config,
    engine::{self, BodyRule, HttpRequest, Inbound},
};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use crate::flow::{Flow, Running, error_object, read};

/// The engine of a server, in this process: for `embedded:`.
#[pyclass(frozen, module = "beam_mcp_client._core")]
pub(crate) struct Engine(engine::Engine);

#[pymethods]
impl Engine {
    /// An engine for a configuration document on a host, both as JSON.
    #[new]
    fn new(config: &str, host: &str) -> PyResult<Self> {
        let config = Config::from_json(&read(config)?).map_err(|error| refused(&error))?;
        Ok(Self(engine::Engine::new(config, read(host)?).map_err(|error| refused(&error))?))
    }

    /// Answers an HTTP request: JSON without body, and the body.
    ///
    /// The flow ends with `{status, headers, body: {"part": 0}}` and the body.
    fn handle(&self, request: &str, body: &Bound<'_, PyBytes>, random: [u8; 32], deadline_ms: u64) -> PyResult<Flow> {
        let mut request: HttpRequest = read(request)?;
        request.body = body.as_bytes().to_vec().into();
        let flow = self.0.handle(Inbound::Http(Box::new(request)), call(random, deadline_ms));
        Ok(Flow::new(Running::Response(flow)))
    }

    /// Runs a verb; the flow ends with its output.
    fn run(&self, verb: &str, input: &str, random: [u8; 32], deadline_ms: u64) -> PyResult<Flow> {
        Ok(Flow::new(Running::Value(self.0.run(verb, read(input)?, call(random, deadline_ms)))))
    }

    /// One round of the reconciler; the flow ends with the milliseconds until the next.
    fn tick(&self, random: [u8; 32], deadline_ms: u64) -> Flow {
        Flow::new(Running::Delay(self.0.tick(call(random, deadline_ms))))
    }

    /// The configured targets by name, as JSON.
    fn targets(&self) -> PyResult<String> {
        serde_json::to_string(&self.0.config().targets).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// What to do with a request's body: `buffer` or `stage`, and the most bytes.
    fn body_rule(&self, method: &str, path: &str) -> (&'static str, u64) {
        match self.0.body_rule(method, path) {
            BodyRule::Buffer(limit) => ("buffer", limit),
            BodyRule::Stage(limit) => ("stage", limit),
        }
    }
}

/// A call of the process itself, with the rights a local server gives.
fn call(random: [u8; 32], deadline_ms: u64) -> Call {
    Call::local(Caller::with_role("local", Role::Operator), Duration::from_millis(deadline_ms), random)
}

/// A `ValueError` whose text is the error object.
pub(crate) fn refused(error: &Error) -> PyErr {
    PyValueError::new_err(error_object(error).to_string())
}

use std::time::Duration;

use beam_mcp_core::{
    Call,
    auth::Caller,
    mcp_client::{self, Route},
};
use pyo3::prelude::*;

use crate::{
    engine::refused,
    flow::{Flow, Running, read},
};

/// A connection to any MCP server: what its calls share.
#[pyclass(frozen, module = "beam_mcp_client._core")]
pub(crate) struct Connection(pub(crate) mcp_client::Connection);

#[pymethods]
impl Connection {
    /// A connection with options as JSON. Nothing is sent yet.
    #[new]
    fn new(options: &str) -> PyResult<Self> {
        mcp_client::Connection::new(read(options)?).map(Self).map_err(|error| refused(&error))
    }

    /// Starts a call; `random` is 32 fresh random bytes.
    #[pyo3(signature = (verb, input, random, deadline_ms=None))]
    fn start(&self, verb: &str, input: &str, random: [u8; 32], deadline_ms: Option<u64>) -> PyResult<Flow> {
        let deadline = deadline_ms.map_or(Duration::MAX, Duration::from_millis);
        let call = Call::local(Caller::nobody(), deadline, random);
        Ok(Flow::new(Running::Value(self.0.start(verb, read(input)?, call))))
    }
}

/// Whose line of a server behind a pipe it is: the id of a request, 0 for anyone, -1 for whoever reads next (a question
/// of the server's), `None` for no message.
#[pyfunction]
pub(crate) fn route(line: &str) -> Option<i64> {
    match mcp_client::route(line) {
        Route::Request(id) => id.try_into().ok(),
        Route::Anyone => Some(0),
        Route::Question => Some(-1),
        Route::Nobody => None,
    }
}

use beam_mcp_core::{ErrorKind, client::ROUTES};
use pyo3::prelude::*;

/// One row of the error table: code, HTTP status, JSON-RPC code, Python class, JavaScript name, exit code.
type ErrorRow = (&'static str, u16, Option<i32>, &'static str, &'static str, u8);

/// The core's error table, one row per kind.
#[pyfunction]
pub(crate) fn error_table() -> Vec<ErrorRow> {
    ErrorKind::ALL
        .iter()
        .map(|kind| kind.door())
        .map(|door| (door.code, door.http, door.json_rpc, door.python, door.js, door.exit))
        .collect()
}

/// The calls a client can make: verb and path.
#[pyfunction]
pub(crate) fn routes() -> Vec<(&'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.verb, route.path)).collect()
}

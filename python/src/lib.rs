//! The extension module `beam_mcp_client._core`: flows of the core, stepped by Python.
//!
//! No runtime, no HTTP stack, no thread: it converts and steps. Python performs the effects.

mod connection;
mod engine;
mod flow;
mod table;

use pyo3::prelude::*;

/// Flows of the beam-mcp core, stepped by Python.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::connection::{Connection, route};
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::flow::{Flow, start_client};
    #[pymodule_export]
    use super::table::{error_table, routes};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

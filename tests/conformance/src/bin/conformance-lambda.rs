//! `conformance-lambda [ORIGIN…]`: the suite's surface in the place of the engine of a Lambda function, for pages of these
//! origins.

use std::{process::ExitCode, sync::Arc};

use beam_mcp_conformance::{Conformance, config, native::Served};
use beam_mcp_server::lambda::{host, run_entry};

fn main() -> ExitCode {
    let origins: Vec<String> = std::env::args().skip(1).collect();
    let made = config(&origins).and_then(|config| Conformance::new(config, host(Vec::new(), false)));
    match made {
        Ok(made) => run_entry(made.config().clone(), Arc::new(Served(made))),
        Err(error) => {
            eprintln!("conformance-lambda: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `conformance-lambda [ORIGIN…]`: the suite's surface in the place of the engine of a Lambda function, for pages of these
//! origins.

use std::{process::ExitCode, sync::Arc};

use beam_mcp_conformance::{Conformance, config, native::Served};
use beam_mcp_server::lambda::{host, run_entry};

fn main() -> ExitCode {
    let origins: Vec<String> = std::env::args().skip(1).collect();
    match config(&origins) {
        Ok(config) => {
            let conformance = Conformance::new(host(Vec::new(), false), config.clone(), false);
            run_entry(config, Arc::new(Served(conformance)))
        }
        Err(error) => {
            eprintln!("conformance-lambda: {error}");
            ExitCode::FAILURE
        }
    }
}

//! The Lambda function of beam-mcp. All it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    beam_mcp_server::run_lambda()
}

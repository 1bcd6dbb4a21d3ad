//! From arguments to an exit code.

use std::{ffi::OsString, path::Path, process::ExitCode};

#[cfg(feature = "lambda")]
use beam_mcp_core::auth::Caller;
use beam_mcp_core::config::{Config, DynamoConfig};

use crate::{
    config_file::Environment,
    doctor::doctor,
    logging,
    options::{Command, HELP, Options, Upkeep},
    serve::serve,
    setup::{Failure, Setup},
    stdio::stdio,
    store::upkeep,
};
#[cfg(feature = "lambda")]
use crate::{setup, store::check_chains};

/// Runs `beam-mcp-server` with these arguments (without the program's name).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = Options::parse(arguments).map_err(Failure::usage).and_then(|options| perform(&options));
    logging::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("beam-mcp-server: {failure}");
            ExitCode::from(failure.exit)
        }
    }
}

fn perform(options: &Options) -> Result<(), Failure> {
    match options.command {
        Command::Help => print!("{HELP}"),
        Command::Version => println!("beam-mcp-server {}", env!("CARGO_PKG_VERSION")),
        Command::Schema => println!("{:#}", Config::schema()),
        Command::Store(upkeep) => return look_after_store(options, upkeep),
        Command::Serve | Command::Stdio | Command::Doctor => return with_runtime(options),
    }
    Ok(())
}

fn look_after_store(options: &Options, upkeep: Upkeep) -> Result<(), Failure> {
    let environment = environment();
    let config = Setup::config(options, &environment)?;
    if let Some(table) = &config.store.dynamodb {
        return look_after_table(&config, table, upkeep, &environment);
    }
    let setup = Setup::read(options, &environment)?;
    let folder = setup.folder.ok_or_else(|| Failure::usage("store: jobs are kept in memory; there is no file"))?;
    let file = options.file.as_deref().unwrap_or(Path::new(""));
    let report = match upkeep {
        Upkeep::Check => upkeep::check(&folder),
        Upkeep::Backup => upkeep::backup(&folder, file),
        Upkeep::Restore => upkeep::restore(&folder, file),
    };
    print!("{}", report?);
    Ok(())
}

/// Follows the audit chains of the Lambda function's table. Copies of it are its service's affair.
#[cfg(feature = "lambda")]
fn look_after_table(
    config: &Config,
    table: &DynamoConfig,
    upkeep: Upkeep,
    environment: &Environment,
) -> Result<(), Failure> {
    if upkeep != Upkeep::Check {
        return Err(Failure::usage("store: DynamoDB copies and restores its tables itself (backups, point-in-time)"));
    }
    let store = setup::table(table, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(format!("runtime: {error}")))?;
    let found = runtime.block_on(check_chains(&store, &config.tenants(&Caller::nobody().tenant)))?;
    println!("table {}: ok, {found}", table.table);
    Ok(())
}

#[cfg(not(feature = "lambda"))]
fn look_after_table(_: &Config, table: &DynamoConfig, _: Upkeep, _: &Environment) -> Result<(), Failure> {
    Err(Failure::unavailable(format!(
        "store: this build reads no DynamoDB; for the table {} build beam-mcp-server from source, as the Lambda function is",
        table.table
    )))
}

fn with_runtime(options: &Options) -> Result<(), Failure> {
    let environment = environment();
    let level = options.log.as_ref().or_else(|| environment.get("BEAM_MCP_LOG")).map_or("info", String::as_str);
    logging::start(logging::Level::parse(level).map_err(|expected| Failure::usage(format!("log level: {expected}")))?);
    let setup = Setup::read(options, &environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::io(format!("runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        match options.command {
            Command::Stdio => stdio(&setup).await,
            Command::Doctor => doctor(options, &setup).await,
            _ => serve(options, &setup).await,
        }
    });
    // What still runs has had its time.
    runtime.shutdown_background();
    outcome
}

/// The variables of the process whose names and values are text.
pub(crate) fn environment() -> Environment {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

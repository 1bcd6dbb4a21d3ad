//! The program of a job, run until it has submitted its pipeline, which is kept instead of run.
//!
//! Beam is pointed at a Job API that lives inside the child, on a socket only its own user can reach. It keeps the
//! request of `Prepare` in the job's folder as `prepare.pb`, and the pipeline as `pipeline.json` beside it; at `Run` the
//! child ends. What follows `run()` in the program does not run. A child that was begun is never begun again: after a
//! crash its file is found, or its end.

use std::time::Duration;

use serde::Deserialize;

use super::{
    child_log,
    environment::{LOOPBACK, resolved_environment},
    staging::not_staged,
};
use crate::{
    effect::{Blob, Fact, Handle, Launch, Query, Signal, SourceId},
    error::{Error, ErrorKind, Landed},
    job::{Job, LogPage, LogQuery},
    job_api::{
        environment::{Environment, environments, placed, unstaged},
        message::Prepare,
    },
    runner::{
        Build, Context, code,
        python::{self, code::not_ours},
    },
    text,
};

/// What the child keeps of the pipeline, in the job's folder.
const CAPTURED: &str = "prepare.pb";
/// Largest pipeline, as the hosts' gRPC takes it.
pub(super) const PIPELINE_BYTES: u64 = 16 << 20;
/// Time a program gets to build its pipeline, where the target's limits say nothing.
const BUILD_MS: u64 = 600_000;
/// Exit code of a child that was not let go: `EXIT_NOT_RELEASED` of `lambda/src/direct/wrapper.py`.
const NOT_RELEASED: i32 = 75;
/// Longest wait of one step, and between looks.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(250);

/// Runs the program until it has submitted its pipeline to the Job API in its own child.
pub(in crate::runner) async fn run(context: &Context, job: &Job) -> Result<Build, Error> {
    if staged(job).is_some() {
        return pipeline(context, job).await.map(|_| Build::Ready);
    }
    let launch = launch(context, job)?;
    let folder = launch.folder.clone();
    let held = context.io.launch(launch).await.map_err(only_on_a_server)?.map_err(|refusal| code::refused(&refusal))?;
    let handle = Handle { folder, pid: held.pid, start_time: held.start_time };
    context.io.signal(handle.clone(), Signal::Release).await?;
    let until = context.io.now().mono + PATIENCE;
    loop {
        let facts = context.io.observe(handle.clone(), vec![Query::Alive, Query::Result]).await?;
        if never_began(&facts) {
            // The next step starts it anew.
            return Ok(Build::Underway);
        }
        if judged(&facts)? {
            return pipeline(context, job).await.map(|_| Build::Ready);
        }
        if context.io.now().mono >= until {
            return Ok(Build::Underway);
        }
        context.io.sleep(LOOK).await?;
    }
}

fn launch(context: &Context, job: &Job) -> Result<Launch, Error> {
    let mut launch = python::code::launch(&context.target, job)?;
    if let Some(kind) = launch.argv.first_mut() {
        kind.insert_str(0, "capture-");
    }
    launch.limits.wall_ms.get_or_insert(BUILD_MS);
    Ok(launch)
}

/// `result.json` of a child that captures.
#[derive(Deserialize)]
struct Captured {
    state: String,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    r#type: String,
    message: String,
}

/// True once the pipeline is there; false while the program is at it.
fn judged(facts: &[Fact]) -> Result<bool, Error> {
    let result = facts.iter().find_map(|fact| match fact {
        Fact::Result { result, .. } => result.as_deref().and_then(|text| serde_json::from_str::<Captured>(text).ok()),
        _ => None,
    });
    match result {
        Some(Captured { state, .. }) if state == "CAPTURED" => Ok(true),
        Some(Captured { error: Some(failure), .. }) => {
            Err(failed(&text::clean(&format!("{}: {}", failure.r#type, failure.message), 4096)))
        }
        Some(Captured { .. }) => Err(failed("it ended without running a pipeline on the runner it was given")),
        None => alive(facts).map(|()| false),
    }
}

/// True for a child that was not let go in time, or that another server ended to start its own.
fn never_began(facts: &[Fact]) -> bool {
    facts.iter().any(|fact| match fact {
        Fact::Alive { alive: false, released: false, limit: None, exit_code, .. } => {
            exit_code.is_none_or(|code| code == NOT_RELEASED)
        }
        _ => false,
    })
}

fn alive(facts: &[Fact]) -> Result<(), Error> {
    let gone = facts.iter().find_map(|fact| match fact {
        Fact::Alive { alive: false, exit_code, signal, limit, .. } => Some((exit_code, signal, limit)),
        _ => None,
    });
    let Some((exit_code, signal, limit)) = gone else { return Ok(()) };
    Err(failed(&match (limit, signal, exit_code) {
        (Some(limit), ..) => format!("it was killed at its limit {}", text::clean_line(limit, 64)),
        (None, Some(signal), _) => format!("it was ended by signal {signal}"),
        (None, None, Some(code)) => format!("it ended with exit code {code}"),
        (None, None, None) => "it is gone and left nothing".into(),
    }))
}

/// The error of a program that brought no pipeline: nothing reached the service.
pub(super) fn failed(why: &str) -> Error {
    Error::invalid("no_pipeline", format!("the code did not submit a pipeline: {why}"))
        .suggest("read the job's logs; build the options from the command line: `PipelineOptions()` with sys.argv")
}

/// What the child kept, checked against what the target allows.
pub(in crate::runner) async fn pipeline(context: &Context, job: &Job) -> Result<Prepare, Error> {
    let data = match staged(job) {
        Some(id) => read(context, "", Query::Source { id: id.clone(), max: PIPELINE_BYTES }, PIPELINE_BYTES).await?,
        None => file(context, job, CAPTURED, PIPELINE_BYTES).await?,
    };
    let unreadable = |_| failed("the file with it is broken");
    let mut prepare = Prepare::read(data.as_slice()).map_err(unreadable)?;
    let allowed = resolved_environment(&job.submission.as_ref().ok_or_else(not_ours)?.options)?;
    if staged(job).is_some() {
        let loopback = allowed.kind == LOOPBACK;
        let moved = if loopback { unstaged(&prepare.pipeline) } else { placed(&prepare.pipeline, &allowed) };
        prepare.pipeline = moved.map_err(unreadable)?;
    }
    environments(&prepare.pipeline).map_err(unreadable)?.iter().try_for_each(|asked| check(asked, &allowed))?;
    check_files(context, job, &prepare)?;
    Ok(prepare)
}

/// The pipeline of a submission that is none of a program's: an SDK has built it.
fn staged(job: &Job) -> Option<&SourceId> {
    job.submission.as_ref().filter(|submission| submission.argv.is_empty())?.source.as_ref()
}

/// A file the child left.
///
/// # Errors
/// `payload_too_large`, reason `pipeline_too_large`; `invalid_argument`, reason `no_pipeline`, where there is none.
pub(in crate::runner) async fn file(context: &Context, job: &Job, name: &str, most: u64) -> Result<Blob, Error> {
    read(context, job.token(), Query::File { name: name.into(), max: most }, most).await
}

/// A file of a child, or one that is staged: that lies in no child's folder.
pub(super) async fn read(context: &Context, folder: &str, query: Query, most: u64) -> Result<Blob, Error> {
    let mut facts = context.io.observe(nobody(folder), vec![query]).await.map_err(only_on_a_server)?;
    let Some(Fact::File { size: Some(size), data }) = facts.pop() else {
        return Err(failed("the file with it is gone"));
    };
    if size > most {
        let text = format!("the pipeline has {size} bytes, and {most} are the most");
        return Err(Error::new(ErrorKind::PayloadTooLarge, "pipeline_too_large", text)
            .suggest("keep large data in files that the workers read, not in the code"));
    }
    Ok(data)
}

/// What the program wrote while it built its pipeline: all there is until the runner has it.
///
/// # Errors
/// As [`child_log::read`].
pub(in crate::runner) async fn logs(context: &Context, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
    child_log::read(context, nobody(job.token()), job, query, Some(!job.state.is_terminal()))
        .await
        .map_err(only_on_a_server)
}

/// The folder of a child, whoever it is.
fn nobody(folder: &str) -> Handle {
    Handle { folder: folder.to_owned(), pid: 0, start_time: 0 }
}

/// The program chose its environment itself; only the target's is sent.
pub(super) fn check(asked: &Environment, allowed: &Environment) -> Result<(), Error> {
    let is_any = allowed.kind == "docker" && allowed.endpoint.is_empty();
    let is_equal = asked.endpoint == allowed.endpoint && asked.variables == allowed.variables;
    let is_same = asked.kind == allowed.kind && (is_equal || is_any);
    let is_own = allowed.kind == LOOPBACK && asked.kind == "external" && is_loopback(&asked.endpoint);
    if !is_same && !is_own {
        let text = if asked.kind == allowed.kind {
            format!(
                "the pipeline asks for workers in `{}` by another command, image or address, or with variables of its \
                     own",
                asked.kind
            )
        } else {
            format!("the pipeline asks for workers in `{}`, and the target runs them in `{}`", asked.kind, allowed.kind)
        };
        return Err(Error::new(ErrorKind::PermissionDenied, "environment_differs", text).suggest(
            if allowed.kind == LOOPBACK {
                "run the program on the machine of the server with `--environment_type=LOOPBACK` (Java: \
                 `--defaultEnvironmentType=LOOPBACK`)"
            } else {
                "leave the environment to the target; transforms of another language bring one of their own"
            },
        ));
    }
    Ok(())
}

/// An address of this machine: the door is on loopback, and so are the workers of who comes through it.
fn is_loopback(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    port.parse::<u16>().is_ok() && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Files for the workers are staged in a job-server jar, where the child has kept them, and nowhere else.
fn check_files(context: &Context, job: &Job, prepare: &Prepare) -> Result<(), Error> {
    let stages = context.target.job_server_jar.is_some() && staged(job).is_none();
    if !stages && environments(&prepare.pipeline).is_ok_and(|all| all.iter().any(|one| one.dependencies > 0)) {
        return Err(not_staged("the pipeline brings files for its workers, which are not staged"));
    }
    Ok(())
}

/// Hosts without files and processes answer `unsupported`; what that means here.
pub(in crate::runner) fn only_on_a_server(error: Error) -> Error {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    Error::unsupported(
        "unsupported_by_host",
        "Python code runs only on a beam-mcp-server: this host starts no processes",
    )
    .suggest("submit through a beam-mcp-server; this host watches the jobs of the target all the same")
    .landed_as(Landed::No)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;

    fn facts(result: Option<&str>, alive: bool) -> Vec<Fact> {
        vec![
            Fact::Alive { alive, exit_code: Some(3), signal: None, limit: None, released: true },
            Fact::Result { state: None, result: result.map(Into::into) },
        ]
    }

    #[test]
    fn a_child_has_a_pipeline_or_a_reason() {
        assert!(judged(&facts(Some(r#"{"state": "CAPTURED"}"#), false)).unwrap());
        assert!(!judged(&facts(None, true)).unwrap());
        for (result, said) in [
            (Some(r#"{"state": "FAILED", "error": {"type": "ValueError", "message": "bad 7"}}"#), "ValueError: bad 7"),
            (Some(r#"{"state": "FINISHED"}"#), "without running a pipeline"),
            (Some("{"), "exit code 3"),
            (None, "exit code 3"),
        ] {
            let error = judged(&facts(result, false)).unwrap_err();
            assert_eq!((error.reason(), error.landed(), error.retry()), ("no_pipeline", Landed::No, Retry::Never));
            assert!(error.message().contains(said), "{error}");
        }
    }

    #[test]
    fn only_the_targets_environment_is_sent() {
        let environment = |kind: &str, endpoint: &str, dependencies| Environment {
            kind: kind.into(),
            endpoint: endpoint.into(),
            dependencies,
            ..Environment::default()
        };
        let allowed = environment("external", "pool:1", 0);
        let check = |asked| check(&asked, &allowed).map_err(|error| error.reason().to_owned());
        check(environment("external", "pool:1", 0)).unwrap();
        for other in [environment("external", "evil:1", 0), environment("process", "", 0)] {
            assert_eq!(check(other).unwrap_err(), "environment_differs");
        }
        for (kind, allowed, asked, fits) in [
            ("docker", "", "any/image", true),
            ("docker", "acme/beam:1", "evil/image", false),
            ("process", "/opt/boot", "/bin/sh", false),
            ("process", "/opt/boot", "/opt/boot", true),
        ] {
            let fitted = super::check(&environment(kind, asked, 0), &environment(kind, allowed, 0));
            assert_eq!(fitted.is_ok(), fits, "{kind} {asked}");
        }
        let boot = environment("process", "/opt/boot", 0);
        let preloads = [("LD_PRELOAD".to_owned(), "/tmp/evil.so".to_owned())].into();
        assert!(super::check(&Environment { variables: preloads, ..boot.clone() }, &boot).is_err());
        let loopback = environment(LOOPBACK, "", 0);
        for (asked, fits) in [("localhost:4711", true), ("127.0.0.1:1", true), ("10.0.0.1:1", false), ("x", false)] {
            assert_eq!(super::check(&environment("external", asked, 0), &loopback).is_ok(), fits, "{asked}");
        }
    }
}

//! Where the workers of a Python pipeline run: the operator's choice, among the target's options.

use super::argv::find;
use crate::{
    config::Target,
    error::Error,
    job_api::environment::Environment,
    runner::{ResolvedOption, options},
};

pub(in crate::runner) const NO_ENVIRONMENT: &str = "nothing can be submitted: set `targets.<name>.options.environment_type`, for \
    instance EXTERNAL with `environment_config` the host:port of Beam's worker pool";
/// The environment a target's configuration names.
///
/// # Errors
/// `invalid_argument`, reason `bad_environment`.
pub(in crate::runner) fn environment(target: &Target) -> Result<Option<Environment>, Error> {
    let text = |name: &str| {
        let option = target.options.iter().find(|(key, _)| options::same(key, name));
        option.map(|(_, value)| options::text(value)).unwrap_or_default()
    };
    named(&text("environment_type"), &text("environment_config"))
}

/// In the process that runs the pipeline.
pub(in crate::runner) fn embedded() -> Environment {
    Environment { kind: "embedded_python".into(), endpoint: String::new(), dependencies: 0 }
}

/// Word of an environment in which programs that come through the Job API's door bring their own workers.
pub(in crate::runner) const LOOPBACK: &str = "loopback";

/// The environment in which code of this server's runs its workers.
///
/// # Errors
/// As [`resolved_environment`]; `failed_precondition`, reason `only_at_the_door`.
pub(in crate::runner) fn environment_of_code(resolved: &[ResolvedOption]) -> Result<Environment, Error> {
    let environment = resolved_environment(resolved)?;
    if environment.kind != LOOPBACK {
        return Ok(environment);
    }
    let text = "the target's workers live in the program that submits, and a program that runs here ends once it has \
                submitted";
    Err(Error::precondition("only_at_the_door", text).suggest(
        "run the program yourself with `--runner=PortableRunner --job_endpoint=…` and `--environment_type=LOOPBACK`, or \
         submit to a target whose `environment_type` is EXTERNAL",
    ))
}

/// The environment that resolved options name.
///
/// # Errors
/// As [`environment`]; `failed_precondition`, reason `no_environment`.
pub(in crate::runner) fn resolved_environment(resolved: &[ResolvedOption]) -> Result<Environment, Error> {
    let text = |name| find(resolved, name).map(|option| options::text(&option.value)).unwrap_or_default();
    named(&text("environment_type"), &text("environment_config"))?.ok_or_else(|| {
        Error::precondition("no_environment", "the target does not say where workers run").suggest(NO_ENVIRONMENT)
    })
}

fn named(kind: &str, config: &str) -> Result<Option<Environment>, Error> {
    let (kind, endpoint) = match kind.to_ascii_uppercase().as_str() {
        "" => return Ok(None),
        "EXTERNAL" if config.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            ("external".to_owned(), config.to_owned())
        }
        "EXTERNAL" => return Err(bad("EXTERNAL needs `environment_config`, the host:port of a worker pool")),
        "LOOPBACK" => (LOOPBACK.to_owned(), String::new()),
        "DOCKER" => ("docker".to_owned(), config.to_owned()),
        "PROCESS" => ("process".to_owned(), command(config)?),
        _ => match kind.strip_prefix("beam:env:").and_then(|rest| rest.split(':').next()) {
            Some(word) => (word.to_owned(), String::new()),
            None => {
                return Err(bad(
                    "it is EXTERNAL, DOCKER, PROCESS, LOOPBACK or a name like beam:env:embedded_python:v1",
                ));
            }
        },
    };
    Ok(Some(Environment { kind, endpoint, dependencies: 0 }))
}

/// The program of a PROCESS environment.
fn command(config: &str) -> Result<String, Error> {
    let read = serde_json::from_str::<serde_json::Value>(config).ok();
    let command = read.and_then(|config| config.get("command")?.as_str().map(str::to_owned));
    command.filter(|command| !command.is_empty()).ok_or_else(|| {
        bad("PROCESS needs `environment_config`, JSON like {\"command\": \"/opt/apache/beam/boot\"}: Beam's boot program")
    })
}

fn bad(message: &str) -> Error {
    Error::invalid("bad_environment", format!("`options.environment_type`: {message}"))
        .suggest("EXTERNAL with `environment_config` the host:port of Beam's worker pool works on every service")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{config::RunnerKind, job::JobSpec, runner::options::Sources};

    fn target(options: Value) -> Target {
        let options = serde_json::from_value(options).unwrap();
        Target { options, ..Target::new("prism", RunnerKind::Portable) }
    }

    #[test]
    fn the_environment_is_the_operators_and_must_be_able_to_work() {
        let pool = target(json!({"environmentType": "external", "environment_config": "localhost:50000"}));
        let found = environment(&pool).unwrap().unwrap();
        assert_eq!((found.kind.as_str(), found.endpoint.as_str()), ("external", "localhost:50000"));
        let embedded = target(json!({"environment_type": "beam:env:embedded_python:v1"}));
        assert_eq!(environment(&embedded).unwrap().unwrap().kind, "embedded_python");
        assert_eq!(environment(&target(json!({}))).unwrap(), None);
        let boot = target(json!({"environment_type": "PROCESS", "environment_config": "{\"command\": \"/opt/boot\"}"}));
        assert_eq!(environment(&boot).unwrap().unwrap().endpoint, "/opt/boot");
        let door = target(json!({"environment_type": "LOOPBACK"}));
        let loopback = Sources::of(&door, &JobSpec::default(), false).resolve().unwrap();
        assert_eq!(resolved_environment(&loopback).unwrap().kind, LOOPBACK);
        assert_eq!(environment_of_code(&loopback).unwrap_err().reason(), "only_at_the_door");
        for bad in [json!("PROCESS"), json!("EXTERNAL"), json!("magic")] {
            let target = target(json!({"environment_type": bad}));
            assert_eq!(environment(&target).unwrap_err().reason(), "bad_environment");
        }
        let options = Sources::of(&pool, &JobSpec::default(), false).resolve().unwrap();
        assert_eq!(resolved_environment(&options).unwrap().endpoint, "localhost:50000");
        assert_eq!(resolved_environment(&[]).unwrap_err().reason(), "no_environment");
    }
}

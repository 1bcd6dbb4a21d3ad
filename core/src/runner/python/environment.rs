//! Where the workers of a Python pipeline run: the operator's choice, among the target's options.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    Environment { kind: "embedded_python".into(), ..Environment::default() }
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
    let of = |kind: &str, endpoint: &str| Environment {
        kind: kind.to_owned(),
        endpoint: endpoint.to_owned(),
        ..Environment::default()
    };
    Ok(Some(match kind.to_ascii_uppercase().as_str() {
        "" => return Ok(None),
        "EXTERNAL" if config.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            of("external", config)
        }
        "EXTERNAL" => return Err(bad("EXTERNAL needs `environment_config`, the host:port of a worker pool")),
        "LOOPBACK" => of(LOOPBACK, ""),
        "DOCKER" => of("docker", config),
        "PROCESS" => process(config)?,
        _ => match kind.strip_prefix("beam:env:").and_then(|rest| rest.split(':').next()) {
            Some(word) => of(word, ""),
            None => {
                return Err(bad(
                    "it is EXTERNAL, DOCKER, PROCESS, LOOPBACK or a name like beam:env:embedded_python:v1",
                ));
            }
        },
    }))
}

/// What of the configuration of a PROCESS environment is taken. Beam also reads `os` and `arch`, which no runner looks at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Process {
    command: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

fn process(config: &str) -> Result<Environment, Error> {
    let read = serde_json::from_str::<Process>(config).ok().filter(|process| !process.command.is_empty());
    let Process { command, env } = read.ok_or_else(|| {
        bad("PROCESS needs `environment_config`, JSON like {\"command\": \"/opt/beam/process-worker.sh\"}, with texts \
             in `env` if there are any, and nothing else: what starts Beam's boot program")
    })?;
    Ok(Environment { kind: "process".into(), endpoint: command, variables: env, dependencies: 0 })
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
        let door = target(json!({"environment_type": "LOOPBACK"}));
        let loopback = Sources::of(&door, &JobSpec::default(), false).resolve().unwrap();
        assert_eq!(resolved_environment(&loopback).unwrap().kind, LOOPBACK);
        assert_eq!(environment_of_code(&loopback).unwrap_err().reason(), "only_at_the_door");
        for bad in [json!("EXTERNAL"), json!("magic")] {
            let target = target(json!({"environment_type": bad}));
            assert_eq!(environment(&target).unwrap_err().reason(), "bad_environment");
        }
        let options = Sources::of(&pool, &JobSpec::default(), false).resolve().unwrap();
        assert_eq!(resolved_environment(&options).unwrap().endpoint, "localhost:50000");
        assert_eq!(resolved_environment(&[]).unwrap_err().reason(), "no_environment");
    }

    #[test]
    fn a_process_is_named_by_its_command_and_what_it_is_started_with() {
        let boot =
            |config: Value| environment(&target(json!({"environment_type": "process", "environment_config": config})));
        let config = json!({"command": "/opt/boot", "env": {"BEAM_PYTHON": "/opt/python"}});
        for written in [json!(config.to_string()), config] {
            let read = boot(written).unwrap().unwrap();
            assert_eq!((read.kind.as_str(), read.endpoint.as_str()), ("process", "/opt/boot"));
            assert_eq!(read.variables.into_iter().collect::<Vec<_>>(), [("BEAM_PYTHON".into(), "/opt/python".into())]);
        }
        assert!(boot(json!({"command": "/opt/boot"})).unwrap().unwrap().variables.is_empty());
        for bad in [json!(""), json!("/opt/boot"), json!({"command": ""}), json!({"command": "x", "env": {"A": 1}})] {
            assert_eq!(boot(bad).unwrap_err().reason(), "bad_environment");
        }
    }
}

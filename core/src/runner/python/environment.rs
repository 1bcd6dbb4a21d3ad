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
        "LOOPBACK" => {
            return Err(bad(
                "LOOPBACK needs the submitting program to live on, and here it ends once it has submitted",
            ));
        }
        "DOCKER" => ("docker".to_owned(), String::new()),
        "PROCESS" => ("process".to_owned(), String::new()),
        _ => match kind.strip_prefix("beam:env:").and_then(|rest| rest.split(':').next()) {
            Some(word) => (word.to_owned(), String::new()),
            None => return Err(bad("it is EXTERNAL, DOCKER, PROCESS or a name like beam:env:embedded_python:v1")),
        },
    };
    Ok(Some(Environment { kind, endpoint, dependencies: 0 }))
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
        for bad in [json!("LOOPBACK"), json!("EXTERNAL"), json!("magic")] {
            let target = target(json!({"environment_type": bad}));
            assert_eq!(environment(&target).unwrap_err().reason(), "bad_environment");
        }
        let options = Sources::of(&pool, &JobSpec::default(), false).resolve().unwrap();
        assert_eq!(resolved_environment(&options).unwrap().endpoint, "localhost:50000");
        assert_eq!(resolved_environment(&[]).unwrap_err().reason(), "no_environment");
    }
}

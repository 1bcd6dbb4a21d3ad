//! The options of a job on a job service.

use crate::{
    config::Target,
    error::Error,
    job::JobSpec,
    runner::{
        ResolvedOption, options,
        python::argv::{fold_streaming, note_flags, take},
    },
};

/// Options we set the values of.
pub(super) const OWN: [&str; 3] = ["runner", "job_endpoint", "job_name"];

/// The options of a job as the program gets them, in order of name.
///
/// # Errors
/// `invalid_argument` or `permission_denied`: see [`options::Sources::resolve`]; reasons `wrong_runner`, `job_type_differs`.
pub(super) fn resolve(target: &Target, spec: &JobSpec, operator: bool) -> Result<Vec<ResolvedOption>, Error> {
    let mut options = options::Sources::of(target, spec, operator).resolve()?;
    if let Some(runner) = take(&mut options, "runner") {
        check_runner(&runner)?;
    }
    take(&mut options, "job_endpoint");
    take(&mut options, "job_name");
    fold_streaming(&mut options, spec.job_type)?;
    note_flags(&mut options);
    Ok(options)
}

fn check_runner(option: &ResolvedOption) -> Result<(), Error> {
    let name = options::text(&option.value).to_ascii_lowercase();
    if matches!(name.strip_suffix("runner").unwrap_or(&name), "portable" | "prism") {
        return Ok(());
    }
    Err(Error::invalid("wrong_runner", "this target is a job service, which Beam calls PortableRunner")
        .with("runner", options::text(&option.value))
        .suggest("leave `runner` out, or submit to a target of the other runner; list_runners shows them"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::RunnerKind;

    fn target(options: Value) -> Target {
        let options = serde_json::from_value(options).unwrap();
        Target { options, ..Target::new("prism", RunnerKind::Portable) }
    }

    #[test]
    fn the_runner_and_the_endpoint_are_ours() {
        let with = |options| {
            let pipeline_options = serde_json::from_value(options).unwrap();
            resolve(&target(json!({})), &JobSpec { pipeline_options, ..JobSpec::default() }, true)
        };
        let options =
            with(json!({"runner": "PortableRunner", "job_endpoint": "evil:1", "job_name": "x", "input": "a"}));
        let names: Vec<_> = options.unwrap().into_iter().map(|option| option.name).collect();
        assert_eq!(names, ["input"]);
        assert_eq!(with(json!({"runner": "FlinkRunner"})).unwrap_err().reason(), "wrong_runner");
    }
}

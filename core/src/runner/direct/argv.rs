//! What the options of a job mean to Beam's direct runners.
//!
//! # Source
//! `DirectOptions` of Apache Beam 2.77 (Python).

use serde_json::json;

use crate::{
    config::Target,
    error::Error,
    job::JobSpec,
    runner::{
        Provenance, ResolvedOption, options,
        python::argv::{find, fold_streaming, note_flags, product, take},
    },
};

/// Most workers a caller may ask for; 0 lets Beam take one per core.
const WORKERS: u64 = 256;
const PRISM: &str = "PrismRunner";
const FN_API: &str = "FnApiRunner";
/// How many workers a runner has, and of which kind.
const WORKERS_OF: [&str; 2] = ["direct_num_workers", "direct_running_mode"];

/// The options of a job as the program gets them, in order of name, the product's own last.
///
/// # Errors
/// `invalid_argument` or `permission_denied`: see [`options::Sources::resolve`]; reasons `wrong_runner`,
/// `bad_worker_count`, `option_twice`.
pub(super) fn resolve(target: &Target, spec: &JobSpec, operator_options: bool) -> Result<Vec<ResolvedOption>, Error> {
    let mut options = options::Sources::of(target, spec, operator_options).resolve()?;
    let runner = take(&mut options, "runner");
    fold_parallelism(&mut options)?;
    fold_streaming(&mut options, spec.job_type)?;
    check_workers(&options)?;
    note_flags(&mut options);
    let runner = the_runner(runner, target)?;
    if runner.value == PRISM {
        take(&mut options, "prism_location");
        let path = target.prism.clone().unwrap_or_default();
        options.push(product("prism_location", path.into(), "the target's `prism`"));
    }
    options.push(runner);
    Ok(options)
}

/// Checks that Prism is a file of this machine: of anything else Beam makes a download.
///
/// # Errors
/// `invalid_argument`, reason `bad_prism`.
pub(super) fn check_prism(target: &Target) -> Result<(), Error> {
    match &target.prism {
        Some(path) if !path.starts_with('/') => {
            Err(Error::invalid("bad_prism", "`prism` is the absolute path of the program")
                .suggest("for instance /opt/beam/prism, built by `go install` from Beam's Go SDK"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Beam's direct runners do not read `parallelism`; what a caller means by it is the number of workers.
fn fold_parallelism(options: &mut Vec<ResolvedOption>) -> Result<(), Error> {
    let Some(mut alias) = take(options, "parallelism") else { return Ok(()) };
    if let Some(workers) = find(options, "direct_num_workers") {
        if workers.from == alias.from && alias.from != Provenance::Target && workers.value != alias.value {
            return Err(Error::invalid(
                "option_twice",
                "`parallelism` and `direct_num_workers` differ and mean one thing",
            )
            .suggest("set one of them"));
        }
        if workers.from >= alias.from {
            return Ok(());
        }
        take(options, "direct_num_workers");
    }
    "direct_num_workers".clone_into(&mut alias.name);
    "translated from `parallelism`".clone_into(&mut alias.note);
    options.push(alias);
    Ok(())
}

fn check_workers(options: &[ResolvedOption]) -> Result<(), Error> {
    let Some(option) = find(options, "direct_num_workers") else { return Ok(()) };
    let count = option.value.as_u64().or_else(|| option.value.as_str()?.parse().ok());
    if count.is_some_and(|count| count <= WORKERS) {
        return Ok(());
    }
    Err(Error::invalid("bad_worker_count", format!("the number of workers is a whole number from 0 to {WORKERS}"))
        .with("direct_num_workers", &option.value)
        .suggest("0 takes one worker per core"))
}

/// `FnApiRunner`, or another runner of the direct family that a caller may name.
fn the_runner(asked: Option<ResolvedOption>, target: &Target) -> Result<ResolvedOption, Error> {
    let Some(mut option) = asked else {
        return Ok(product("runner", json!("FnApiRunner"), "the runner of this target"));
    };
    let name = options::text(&option.value).to_ascii_lowercase();
    let (runner, note) = match name.strip_suffix("runner").unwrap_or(&name) {
        "fnapi" => (FN_API, ""),
        "bundlebaseddirect" => ("BundleBasedDirectRunner", ""),
        "prism" if target.prism.is_some() => (PRISM, ""),
        "direct" | "switchingdirect" => (FN_API, "instead of DirectRunner, which first downloads Prism"),
        "prism" => {
            let error = wrong_runner(&option);
            return Err(error.suggest("ask the operator to set `targets.<name>.prism`, or leave `runner` out"));
        }
        _ => return Err(wrong_runner(&option)),
    };
    option.value = json!(runner);
    note.clone_into(&mut option.note);
    "runner".clone_into(&mut option.name);
    Ok(option)
}

/// Checks that a pipeline which was built elsewhere can run, and says which options it does not read: only Beam's
/// [`FN_API`] takes one, in one worker.
///
/// # Errors
/// `failed_precondition`, reason `wrong_runner`.
pub(super) fn check_handed(options: &mut [ResolvedOption]) -> Result<(), Error> {
    for option in options.iter_mut() {
        if WORKERS_OF.iter().any(|name| options::same(&option.name, name)) {
            "not read here: a pipeline that was handed over runs in one worker".clone_into(&mut option.note);
        }
    }
    match find(options, "runner") {
        Some(runner) if runner.value != FN_API => {
            Err(Error::precondition("wrong_runner", "only FnApiRunner takes a pipeline that was built elsewhere")
                .suggest("ask the operator to take `runner` out of the target's options, or for another target"))
        }
        _ => Ok(()),
    }
}

fn wrong_runner(option: &ResolvedOption) -> Error {
    Error::invalid(
        "wrong_runner",
        "this target runs FnApiRunner, BundleBasedDirectRunner or, where it has Prism, PrismRunner",
    )
    .with("runner", options::text(&option.value))
    .suggest("leave `runner` out, or submit to a target of the other runner; list_runners shows them")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{config::RunnerKind, job::JobType, runner::python::argv::items};

    fn argv(job_type: Option<JobType>, options: Value) -> Result<Vec<String>, Error> {
        let mut target = Target::new("local", RunnerKind::Direct);
        target.options.insert("direct_num_workers".into(), json!(4));
        let spec =
            JobSpec { job_type, pipeline_options: serde_json::from_value(options).unwrap(), ..JobSpec::default() };
        resolve(&target, &spec, false).map(|options| items(&options))
    }

    #[test]
    fn only_one_runner_takes_what_was_built_elsewhere() {
        let check = |options: Value| {
            let mut target = Target::new("local", RunnerKind::Direct);
            target.options = serde_json::from_value(options).unwrap();
            let mut options = resolve(&target, &JobSpec::default(), false).unwrap();
            check_handed(&mut options).map(|()| options)
        };
        check(json!({})).unwrap();
        let several = check(json!({"parallelism": 8})).unwrap();
        assert!(find(&several, "direct_num_workers").unwrap().note.contains("one worker"), "{several:?}");
        check(json!({"runner": "DirectRunner"})).unwrap();
        assert_eq!(check(json!({"runner": "BundleBasedDirectRunner"})).unwrap_err().reason(), "wrong_runner");
    }

    #[test]
    fn values_become_items_as_beam_makes_them() {
        let argv = argv(
            None,
            json!({"a": "x; rm -rf / --b=1", "l": ["p", 2], "d": {"k": [1]}, "on": true, "off": false,
            "none": null, "save_main_session": false, "n": 1.5}),
        )
        .unwrap();
        assert_eq!(
            argv,
            [
                "--a=x; rm -rf / --b=1",
                "--d={\"k\":[1]}",
                "--direct_num_workers=4",
                "--l=p",
                "--l=2",
                "--n=1.5",
                "--on",
                "--no_save_main_session",
                "--runner=FnApiRunner"
            ]
        );
    }

    #[test]
    fn the_runner_is_ours_or_one_of_its_family() {
        for (asked, given) in [
            ("FnApiRunner", "--runner=FnApiRunner"),
            ("DirectRunner", "--runner=FnApiRunner"),
            ("direct", "--runner=FnApiRunner"),
            ("bundlebaseddirectrunner", "--runner=BundleBasedDirectRunner"),
        ] {
            assert_eq!(argv(None, json!({"runner": asked})).unwrap().last().unwrap(), given);
        }
        let prism = argv(None, json!({"runner": "PrismRunner"})).unwrap_err();
        assert!(prism.suggestion().contains("prism"), "{}", prism.suggestion());
        for wrong in ["FlinkRunner", "my.module.Runner", "PrismRunner"] {
            assert_eq!(argv(None, json!({"Runner": wrong})).unwrap_err().reason(), "wrong_runner");
        }
    }

    #[test]
    fn prism_is_the_operators_program_and_never_a_download() {
        let mut target = Target::new("local", RunnerKind::Direct);
        target.prism = Some("/opt/beam/prism".into());
        let options = json!({"runner": "prism", "prism_location": "https://example.org/prism.zip"});
        let spec = JobSpec { pipeline_options: serde_json::from_value(options).unwrap(), ..JobSpec::default() };
        assert_eq!(resolve(&target, &spec, false).unwrap_err().reason(), "operator_only_option");
        let argv = items(&resolve(&target, &spec, true).unwrap());
        assert_eq!(argv, ["--prism_location=/opt/beam/prism", "--runner=PrismRunner"]);
        for bad in ["prism", "https://example.org/prism", "./prism"] {
            target.prism = Some(bad.into());
            assert_eq!(check_prism(&target).unwrap_err().reason(), "bad_prism", "{bad}");
        }
    }

    #[test]
    fn parallelism_is_the_number_of_workers() {
        let workers = |options| argv(None, options).map(|argv| argv.join(" "));
        assert!(workers(json!({"parallelism": 2})).unwrap().contains("--direct_num_workers=2"));
        assert!(workers(json!({"parallelism": 2, "direct_num_workers": 2})).is_ok());
        let twice = workers(json!({"parallelism": 2, "directNumWorkers": 3})).unwrap_err();
        assert_eq!(twice.reason(), "option_twice");
        for bad in [json!(-1), json!("many"), json!(1000), json!(1.5)] {
            assert_eq!(workers(json!({"direct_num_workers": bad})).unwrap_err().reason(), "bad_worker_count");
        }
    }

    #[test]
    fn streaming_follows_the_job_type() {
        assert!(argv(Some(JobType::Streaming), json!({})).unwrap().contains(&"--streaming".into()));
        let differs = argv(Some(JobType::Batch), json!({"streaming": true})).unwrap_err();
        assert_eq!(differs.reason(), "job_type_differs");
    }
}

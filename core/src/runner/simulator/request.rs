//! What is asked for: checked, and turned into what is stored with the job.

use serde_json::{Value, json};

use super::plot::{Plot, option, plot};
use crate::{
    config::{Identity, Target, nearest},
    error::Error,
    job::{Job, JobSpec, JobType, Operation, OperationKind},
    runner::{PlannedCall, Provenance, ResolvedOption, Submission, options},
};

/// The options of the simulator.
const OWN: [&str; 4] = ["simulator_script", "simulator_duration_s", "simulator_savepoint_s", "simulator_records_per_s"];
/// Where savepoints go when nobody names a directory.
const SAVEPOINTS: &str = "simulator:/savepoints";

/// Checks a spec; sends nothing.
pub(super) fn submission(target: &Target, spec: &JobSpec, operator: bool) -> Result<Submission, Error> {
    options::check_args(&spec.args, &[], operator)?;
    let resolved = options::Sources::of(target, spec, operator).resolve()?;
    resolved.iter().try_for_each(known)?;
    spec.savepoint_path.as_deref().map_or(Ok(()), |path| check_path("savepoint_path", path))?;
    let (plot, mut notes) = plot(target, spec, &resolved)?;
    notes.extend(ignored(spec));
    let purpose = format!("follows the script `{}` as a {} job; nothing is sent", plot.script, plot.job_type.as_str());
    let call = PlannedCall { call: "simulate".into(), purpose, body: json!(plot) };
    let Value::Object(settings) = json!(plot) else { return Err(Error::misuse("a plot is an object")) };
    Ok(Submission {
        settings,
        calls: vec![call],
        options: with_script(resolved, &plot),
        notes,
        ..Submission::default()
    })
}

/// Any option may be set, as on a real cluster; but one that is meant for the simulator must be one it knows.
fn known(option: &ResolvedOption) -> Result<(), Error> {
    let name = option.name.to_ascii_lowercase();
    if !name.starts_with("simulator") || OWN.iter().any(|own| options::same(own, &name)) {
        return Ok(());
    }
    let error = Error::invalid("unknown_simulator_option", "the simulator has no option of this name")
        .with("option", &option.name)
        .with("known", OWN.join(", "));
    Err(match nearest(&name, OWN) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("take one of the known options"),
    })
}

/// The script is always among the options, so that a plan shows which one is followed.
fn with_script(mut resolved: Vec<ResolvedOption>, plot: &Plot) -> Vec<ResolvedOption> {
    if option(&resolved, "simulator_script").is_none() {
        let value = plot.script.clone().into();
        let note = "the target's script".to_owned();
        resolved.push(ResolvedOption { name: "simulator_script".into(), value, from: Provenance::Target, note });
    }
    resolved
}

/// What a real runner would use and this one does not.
fn ignored(spec: &JobSpec) -> Vec<String> {
    let named = [
        ("code_path", spec.code_path.is_some()),
        ("module", spec.module.is_some()),
        ("yaml", spec.yaml.is_some()),
        ("entry_class", spec.entry_class.is_some()),
        ("template_path", spec.template_path.is_some()),
    ];
    let named = named.into_iter().filter(|(_, given)| *given);
    named.map(|(name, _)| format!("`{name}` is accepted and not read: the simulator loads no code")).collect()
}

/// Refuses an operation the job cannot take.
pub(super) fn supports(plot: &Plot, operation: &Operation) -> Result<(), Error> {
    if plot.job_type == JobType::Batch && operation.kind != OperationKind::Cancel {
        return Err(not_streaming(operation.kind));
    }
    operation.savepoint_dir.as_deref().map_or(Ok(()), |dir| check_path("savepoint_path", dir))
}

fn not_streaming(kind: OperationKind) -> Error {
    let what = match kind {
        OperationKind::Scale => "be scaled in place",
        OperationKind::Savepoint => "take a savepoint",
        OperationKind::Drain | OperationKind::Stop | OperationKind::Cancel => "be drained or stopped with a savepoint",
    };
    Error::precondition("not_streaming", format!("a batch job cannot {what}"))
        .suggest("wait for its end with wait_for_change, or end it with cancel_job mode cancel")
}

/// A scripted cluster has only scripted storage.
fn check_path(name: &'static str, path: &str) -> Result<(), Error> {
    if path.len() <= 512 && path.starts_with("simulator:/") && !path.contains("..") {
        return Ok(());
    }
    Err(Error::invalid("bad_savepoint_path", "savepoints of the simulator are at `simulator:/…`, at most 512 bytes")
        .with(name, path)
        .suggest("leave it out, or take a path from a savepoint of this target"))
}

/// Where a savepoint goes.
pub(super) fn savepoint_path(target: &Target, job: &Job, operation: &Operation) -> String {
    let dir = operation.savepoint_dir.as_deref().or(target.savepoint_dir.as_deref()).unwrap_or(SAVEPOINTS);
    format!("{}/{}/{}", dir.trim_end_matches('/'), job.token(), operation.trigger_id)
}

/// The calls of an operation.
pub(super) fn calls(plot: &Plot, job: &Job, operation: &Operation) -> Vec<PlannedCall> {
    let purpose = format!("a {} as the script `{}` has it; nothing is sent", operation.kind.as_str(), plot.script);
    let body =
        json!({"job": job.token(), "parallelism": operation.parallelism, "savepoint_dir": operation.savepoint_dir});
    vec![PlannedCall { call: format!("simulate {}", operation.kind.as_str()), purpose, body }]
}

/// The id the scripted cluster gives to one submission of a job.
pub(super) fn native_id(identity: Identity, job: &Job, attempt: u32) -> String {
    let token = job.token();
    match identity {
        Identity::Chosen => token.to_owned(),
        Identity::Named => format!("{}-{token}", slug(&job.name)),
        Identity::Marker | Identity::None => {
            let text = format!("simulator {token} {} {attempt}", job.generation);
            format!("sim-{}", crate::random::sha256_hex(text.as_bytes()).get(..24).unwrap_or_default())
        }
    }
}

/// The name in the letters a cluster takes.
fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::config::RunnerKind;

    fn prepare(job_type: Option<JobType>, options: &Value) -> Result<Submission, Error> {
        let pipeline_options: Map<String, Value> = serde_json::from_value(options.clone()).unwrap();
        let spec = JobSpec { job_type, pipeline_options, ..JobSpec::default() };
        submission(&Target::new("sim", RunnerKind::Simulator), &spec, false)
    }

    #[test]
    fn options_become_a_plot() {
        let options = json!({"simulatorScript": "slow_savepoint", "simulator_savepoint_s": 1.5, "parallelism": 4});
        let made = prepare(None, &options).unwrap();
        let job = Job {
            submission: Some(made.clone().into()),
            ..Job::intended(
                crate::job::JobId::own("sim", "0123456789abcdef0123456789abcdef"),
                RunnerKind::Simulator,
                "p",
                JobSpec::default(),
                0,
            )
        };
        let plot = Plot::of(&job).unwrap();
        assert_eq!((plot.script.as_str(), plot.savepoint_ms, plot.parallelism), ("slow_savepoint", 1_500, 4));
        assert_eq!(made.calls[0].body["script"], "slow_savepoint");
    }

    #[test]
    fn bad_options_are_refused_with_the_nearest_good_one() {
        for (options, reason, advice) in [
            (json!({"simulator_scrip": "running"}), "unknown_simulator_option", "`simulator_script`"),
            (json!({"simulator_script": "bach"}), "unknown_script", "`batch`"),
            (json!({"simulator_script": 7}), "bad_simulator_option", ""),
            (json!({"simulator_duration_s": "10"}), "bad_simulator_option", ""),
            (json!({"simulator_duration_s": 0}), "bad_simulator_option", ""),
            (json!({"simulator_duration_s": 1e300}), "bad_simulator_option", ""),
            (json!({"parallelism": 0}), "bad_parallelism", ""),
            (json!({"setup_file": "x.py"}), "operator_only_option", ""),
        ] {
            let error = prepare(None, &options).unwrap_err();
            assert_eq!(error.reason(), reason, "{options}");
            assert!(error.suggestion().contains(advice), "{options}: {}", error.suggestion());
        }
        assert!(prepare(None, &json!({"runner": "anything", "temp_location": "gs://x"})).is_ok());
    }

    #[test]
    fn a_batch_job_follows_batch_unless_it_names_a_streaming_script() {
        let made = prepare(Some(JobType::Batch), &json!({})).unwrap();
        assert_eq!(made.settings["script"], "batch");
        assert!(made.notes.iter().any(|note| note.contains("`batch`")), "{:?}", made.notes);
        let named = prepare(Some(JobType::Batch), &json!({"simulator_script": "running"})).unwrap_err();
        assert_eq!(named.reason(), "contradicting_script");
        let either = prepare(Some(JobType::Batch), &json!({"simulator_script": "failing"})).unwrap();
        assert_eq!(either.settings["job_type"], "BATCH");
    }
}

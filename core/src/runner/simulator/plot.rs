//! What a job will do, read from its options and stored with it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::script::{self, Script};
use crate::{
    config::Target,
    error::{Error, Landed},
    job::{Job, JobSpec, JobType},
    runner::{Provenance, ResolvedOption, options},
};

/// Longest time an option may name: ten years.
const LONGEST_S: f64 = 315_360_000.0;
/// Most records per second.
const MOST_RECORDS: f64 = 1e9;

/// What a job will do: the settings of its submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plot {
    /// Name of its script.
    pub(super) script: String,
    /// Kind of pipeline.
    pub(super) job_type: JobType,
    /// How long it runs before it ends by itself, where it does.
    pub(super) duration_ms: u64,
    /// How long a savepoint takes.
    pub(super) savepoint_ms: u64,
    /// Records that arrive in a second of simulated time.
    pub(super) records_per_s: u64,
    /// Parallelism it starts with.
    pub(super) parallelism: u32,
}

impl Plot {
    /// The plot a job was submitted with.
    ///
    /// # Errors
    /// `failed_precondition`, reason `not_ours`, for a job this runner did not prepare.
    pub(super) fn of(job: &Job) -> Result<Self, Error> {
        let settings = job.submission.as_ref().map(|submission| Value::Object(submission.settings.clone()));
        settings.and_then(|settings| serde_json::from_value(settings).ok()).ok_or_else(|| {
            Error::precondition("not_ours", "the simulator knows only jobs that were submitted to it")
                .with("job_id", &job.id)
                .landed_as(Landed::No)
        })
    }
}

pub(super) fn plot(target: &Target, spec: &JobSpec, resolved: &[ResolvedOption]) -> Result<(Plot, Vec<String>), Error> {
    let (script, note) = chosen(target, spec, resolved)?;
    let job_type = spec.job_type.unwrap_or(script.job_type);
    let savepoint_ms = milliseconds(resolved, "simulator_savepoint_s")?;
    let plot = Plot {
        script: script.name.to_owned(),
        job_type,
        duration_ms: milliseconds(resolved, "simulator_duration_s")?.unwrap_or(10_000),
        savepoint_ms: savepoint_ms.unwrap_or(script.savepoint_ms),
        records_per_s: number(resolved, "simulator_records_per_s", MOST_RECORDS)?.map_or(1_000, whole),
        parallelism: parallelism(resolved)?,
    };
    let said = "simulated: states, metrics and logs are computed from the script; no pipeline runs".to_owned();
    Ok((plot, std::iter::once(said).chain(note).collect()))
}

/// The script of the option, of the target, or `running`; a batch job that names none gets `batch` where those are for
/// streaming only.
fn chosen(
    target: &Target,
    spec: &JobSpec,
    resolved: &[ResolvedOption],
) -> Result<(&'static Script, Option<String>), Error> {
    let (script, from) = named(target, resolved)?;
    let fits = script.either || spec.job_type.is_none_or(|job_type| job_type == script.job_type);
    match (fits, from) {
        (true, _) => Ok((script, None)),
        (false, Provenance::Caller | Provenance::Preset | Provenance::Context) => Err(contradiction(script)),
        (false, Provenance::Target | Provenance::Product) => {
            let other = script::find(if spec.job_type == Some(JobType::Batch) { "batch" } else { "running" })?;
            let note = format!("the target's script `{}` is for {} jobs", script.name, script.job_type.as_str());
            Ok((other, Some(format!("{note}: this one follows `{}`", other.name))))
        }
    }
}

fn named(target: &Target, resolved: &[ResolvedOption]) -> Result<(&'static Script, Provenance), Error> {
    match resolved.iter().find(|option| options::same(&option.name, "simulator_script")) {
        Some(ResolvedOption { value: Value::String(name), from, .. }) => Ok((script::find(name)?, *from)),
        Some(_) => Err(wrong_type("simulator_script", "the name of a script")),
        None => Ok((default_script(target)?, Provenance::Target)),
    }
}

/// The script of a target whose jobs name none.
pub(super) fn default_script(target: &Target) -> Result<&'static Script, Error> {
    script::find(target.script.as_deref().unwrap_or("running"))
}

fn contradiction(script: &Script) -> Error {
    let kind = script.job_type.as_str();
    Error::invalid("contradicting_script", format!("the script `{}` is for {kind} jobs only", script.name))
        .suggest(format!("leave `job_type` out, send {kind}, or take another script"))
}

pub(super) fn option<'a>(resolved: &'a [ResolvedOption], name: &str) -> Option<&'a Value> {
    resolved.iter().find(|option| options::same(&option.name, name)).map(|option| &option.value)
}

fn number(resolved: &[ResolvedOption], name: &'static str, most: f64) -> Result<Option<f64>, Error> {
    let Some(value) = option(resolved, name) else { return Ok(None) };
    let number = value.as_f64().filter(|number| *number > 0.0 && *number <= most);
    number.map(Some).ok_or_else(|| wrong_type(name, &format!("a number above 0, at most {most}")))
}

fn milliseconds(resolved: &[ResolvedOption], name: &'static str) -> Result<Option<u64>, Error> {
    Ok(number(resolved, name, LONGEST_S)?.map(|seconds| whole(seconds * 1000.0)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and bounded by the callers")]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

fn parallelism(resolved: &[ResolvedOption]) -> Result<u32, Error> {
    let Some(value) = option(resolved, "parallelism") else { return Ok(1) };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (1..=32_768).contains(number)).ok_or_else(|| {
        Error::invalid("bad_parallelism", "`parallelism` is a whole number from 1 to 32768")
            .with("option", "parallelism")
    })
}

fn wrong_type(name: &'static str, expected: &str) -> Error {
    Error::invalid("bad_simulator_option", format!("`{name}` must be {expected}")).with("option", name)
}

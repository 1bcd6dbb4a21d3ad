//! Pipeline options as the arguments of a Python program.
//!
//! # Source
//! `PipelineOptions.from_dictionary` of Apache Beam 2.77 (Python).

use serde_json::{Value, json};

use crate::{
    error::Error,
    job::JobType,
    runner::{Provenance, ResolvedOption, options},
};

/// Flags that are on unless another flag switches them off.
const OFF_FLAGS: [(&str, &str); 2] =
    [("use_public_ips", "no_use_public_ips"), ("save_main_session", "no_save_main_session")];

/// The arguments of resolved options, each one item.
pub(in crate::runner) fn items(options: &[ResolvedOption]) -> Vec<String> {
    options.iter().flat_map(option_items).collect()
}

fn option_items(option: &ResolvedOption) -> Vec<String> {
    let name = spelt(&option.name);
    match &option.value {
        Value::Null => Vec::new(),
        Value::Bool(true) => vec![format!("--{name}")],
        Value::Bool(false) => off_flag(name).map(|off| format!("--{off}")).into_iter().collect(),
        Value::Array(values) => values.iter().map(|value| format!("--{name}={}", options::text(value))).collect(),
        value => vec![format!("--{name}={}", options::text(value))],
    }
}

/// Beam's Python ignores its own options in Java's spelling.
fn spelt(name: &str) -> &str {
    options::in_python(name).unwrap_or(name)
}

fn off_flag(name: &str) -> Option<&'static str> {
    OFF_FLAGS.iter().find(|(flag, _)| *flag == name).map(|(_, off)| *off)
}

/// Takes an option out, by any of its spellings.
pub(in crate::runner) fn take(options: &mut Vec<ResolvedOption>, name: &str) -> Option<ResolvedOption> {
    let at = options.iter().position(|option| options::same(&option.name, name))?;
    Some(options.remove(at))
}

/// An option by any of its spellings.
pub(in crate::runner) fn find<'a>(options: &'a [ResolvedOption], name: &str) -> Option<&'a ResolvedOption> {
    options.iter().find(|option| options::same(&option.name, name))
}

/// `--streaming` where the job type asks for it.
///
/// # Errors
/// `invalid_argument`, reason `job_type_differs`.
pub(in crate::runner) fn fold_streaming(
    options: &mut Vec<ResolvedOption>,
    job_type: Option<JobType>,
) -> Result<(), Error> {
    let asked = find(options, "streaming").map(|option| option.value == true);
    match (job_type, asked) {
        (Some(JobType::Streaming), None) => {
            options.push(product("streaming", json!(true), "from job_type STREAMING"));
            Ok(())
        }
        (Some(JobType::Streaming), Some(false)) | (Some(JobType::Batch), Some(true)) => {
            Err(Error::invalid("job_type_differs", "`job_type` and the option `streaming` contradict each other")
                .suggest("set one of them"))
        }
        _ => Ok(()),
    }
}

/// Says of each flag that is left out why.
pub(in crate::runner) fn note_flags(options: &mut [ResolvedOption]) {
    for option in options {
        let note = match &option.value {
            Value::Null => "left out: it has no value",
            Value::Bool(false) if off_flag(spelt(&option.name)).is_none() => {
                "left out: a flag is off unless it is named"
            }
            _ => continue,
        };
        note.clone_into(&mut option.note);
    }
}

/// An option of our own.
pub(in crate::runner) fn product(name: &str, value: Value, note: &str) -> ResolvedOption {
    ResolvedOption { name: name.to_owned(), value, from: Provenance::Product, note: note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_given_its_own_spelling_of_beams_options_and_nobody_elses() {
        let written = |name: &str| items(&[product(name, json!("v"), "")]);
        assert_eq!(written("tempLocation"), ["--temp_location=v"]);
        assert_eq!(written("extra-packages"), ["--extra_packages=v"]);
        assert_eq!(written("sdkWorkerParallelism"), ["--sdk_worker_parallelism=v"]);
        assert_eq!(written("checkpointingInterval"), ["--checkpointingInterval=v"], "only Java knows it");
        assert_eq!(written("inputTable"), ["--inputTable=v"], "the program's own");
        let mut off = [product("usePublicIps", json!(false), "")];
        assert_eq!(items(&off), ["--no_use_public_ips"]);
        note_flags(&mut off);
        assert_eq!(off[0].note, "");
    }
}

//! What Beam says of its own options: names, kinds of values, and which runner reads them.
//!
//! # Source
//! `beam.txt`, made from the SDKs themselves by `tests/python/beam_options.py`.

use super::{normal, same, text};
use crate::{
    config::{RunnerKind, nearest, slip},
    error::Error,
    runner::{Provenance, ResolvedOption},
};

const LIST: &str = include_str!("beam.txt");

/// Options of the product's own making, and those of Beam's that the runners check by rules of their own.
const OURS: [&str; 23] = [
    "additional_user_labels",
    "autoscaling_algorithm",
    "checkpoint_interval",
    "checkpointing_interval",
    "direct_num_workers",
    "enable_streaming_engine",
    "flink_configuration",
    "gcp_temp_location",
    "kms_key_name",
    "launcher_machine_type",
    "max_workers",
    "min_num_workers",
    "min_workers",
    "parallelism",
    "service_account",
    "simulator_duration_s",
    "simulator_records_per_s",
    "simulator_savepoint_s",
    "simulator_script",
    "spark_configuration",
    "state_backend",
    "worker_disk_size_gb",
    "worker_utilization_hint",
];

/// One option of Beam's.
struct Known {
    name: &'static str,
    kind: &'static str,
    reader: &'static str,
    choices: &'static str,
}

fn known() -> impl Iterator<Item = Known> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        let (name, kind, reader) = (words.next()?, words.next()?, words.next()?);
        Some(Known { name, kind, reader, choices: words.next().unwrap_or_default() })
    })
}

/// Checks an option against what Beam says of it, and notes who reads it where that is another runner. One that Beam
/// does not know is the program's own, unless it is nearly one of Beam's.
///
/// # Errors
/// `invalid_argument`, reason `bad_option_value` or `unknown_option`.
pub(super) fn judge(option: &mut ResolvedOption, runner: RunnerKind) -> Result<(), Error> {
    let name = normal(&option.name);
    let simulators = runner == RunnerKind::Simulator && name.starts_with("simulator");
    if simulators || option.value.is_null() || OURS.iter().any(|own| same(own, &option.name)) {
        return Ok(());
    }
    let Some(known) = known().find(|known| normal(known.name) == name) else {
        return unless_a_slip(option, &name);
    };
    known.fit(option)?;
    known.note_reader(option, runner);
    Ok(())
}

impl Known {
    fn fit(&self, option: &mut ResolvedOption) -> Result<(), Error> {
        let given = text(&option.value);
        match self.kind {
            "flag" => match given.to_ascii_lowercase().as_str() {
                "true" => option.value = true.into(),
                "false" => option.value = false.into(),
                _ => return Err(misfit(option, "true or false")),
            },
            "int" if given.parse::<i64>().is_err() => return Err(misfit(option, "a whole number")),
            "float" if given.parse::<f64>().is_err() => return Err(misfit(option, "a number")),
            _ => {}
        }
        let mut choices = self.choices.split('|').filter(|choice| !choice.is_empty()).peekable();
        if choices.peek().is_none() || choices.clone().any(|choice| choice == given) {
            return Ok(());
        }
        let error = misfit(option, &format!("one of {}", self.choices.replace('|', ", ")));
        Err(match nearest(&given, choices) {
            Some(near) => error.suggest(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// Whatever a job service runs on, it may read.
    fn note_reader(&self, option: &mut ResolvedOption, runner: RunnerKind) {
        let reader = RunnerKind::parse(self.reader).filter(|reader| *reader != runner);
        if let Some(reader) = reader.filter(|_| runner != RunnerKind::Portable) {
            option.note = format!("only Beam's runner for {} reads it", reader.as_str());
        }
    }
}

/// True for an option that only Beam's runner for another system reads.
pub fn is_of_another(name: &str, runner: RunnerKind) -> bool {
    let reader = known().find(|known| same(known.name, name)).and_then(|known| RunnerKind::parse(known.reader));
    reader.is_some_and(|reader| reader != runner)
}

/// How Beam's Python spells one of its options; `None` for what only Java knows, and for what is not Beam's.
pub fn in_python(name: &str) -> Option<&'static str> {
    let known = known().find(|known| same(known.name, name))?;
    (!known.name.contains(|c: char| c.is_ascii_uppercase())).then_some(known.name)
}

fn misfit(option: &ResolvedOption, expected: &str) -> Error {
    Error::invalid("bad_option_value", format!("`{}` takes {expected}", option.name))
        .with("option", &option.name)
        .with("value", text(&option.value))
}

/// A slip of the pen would reach the program, which ignores what it does not know. What the operator wrote for the
/// target stands.
fn unless_a_slip(option: &ResolvedOption, name: &str) -> Result<(), Error> {
    let names = known().map(|known| known.name).chain(OURS).filter(|_| option.from != Provenance::Target);
    let Some((_, meant)) = names.filter_map(|known| Some((slip(name, &normal(known))?, known))).min() else {
        return Ok(());
    };
    Err(Error::invalid("unknown_option", format!("neither Beam nor beam-mcp has an option `{}`", option.name))
        .with("option", &option.name)
        .suggest(format!(
            "did you mean `{meant}`? Where the program itself has `{0}`, send it in `args`: --{0}=…",
            option.name
        )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(name: &str, value: Value, runner: RunnerKind) -> Result<ResolvedOption, Error> {
        let mut option = ResolvedOption { name: name.into(), value, from: Provenance::Caller, note: String::new() };
        judge(&mut option, runner).map(|()| option)
    }

    #[test]
    fn the_list_is_read_whole() {
        assert_eq!(known().count(), LIST.lines().count() - 1);
        for one in known() {
            assert!(matches!(one.kind, "flag" | "int" | "float" | "text"), "{}", one.name);
        }
    }

    #[test]
    fn values_have_the_kind_beam_says() {
        let flink = |name, value| judged(name, value, RunnerKind::Flink);
        for (name, value, expected) in [
            ("streaming", json!("perhaps"), "true or false"),
            ("update", json!(1), "true or false"),
            ("max_parallelism", json!("many"), "a whole number"),
            ("maxParallelism", json!(1.5), "a whole number"),
            ("profile_sample_rate", json!("often"), "a number"),
            ("flink_version", json!("1.18"), "one of 1.19, 1.20"),
        ] {
            let error = flink(name, value).unwrap_err();
            assert_eq!(error.reason(), "bad_option_value");
            assert!(error.message().contains(expected), "{error}");
        }
        assert_eq!(flink("streaming", json!("True")).unwrap().value, json!(true));
        for (name, value) in [("max_parallelism", json!("8")), ("labels", json!(["a=b"])), ("input", json!({"a": 1}))] {
            flink(name, value).unwrap();
        }
        let mode = judged("direct_running_mode", json!("multi_thread"), RunnerKind::Direct).unwrap_err();
        assert!(mode.suggestion().contains("multi_threading"), "{}", mode.suggestion());
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name_and_the_programs_own_options_pass() {
        for (slip, meant) in [
            ("paralelism", "parallelism"),
            ("steaming", "streaming"),
            ("temp_locaton", "temp_location"),
            ("maxNumWorker", "max_num_workers"),
            ("checkpoint_intervall", "checkpoint_interval"),
            ("shutdownSourceAfterIdleMs", "shutdownSourcesAfterIdleMs"),
        ] {
            let error = judged(slip, json!(1), RunnerKind::Flink).unwrap_err();
            assert_eq!(error.reason(), "unknown_option", "{slip}");
            assert!(error.suggestion().contains(&format!("`{meant}`")), "{slip}: {}", error.suggestion());
            assert!(error.suggestion().contains("args"));
        }
        for own in [
            "input",
            "output",
            "topic",
            "rate",
            "window_size",
            "my_label",
            "table",
            "query",
            "bucket",
            "region_name",
            "min_num_workers",
        ] {
            judged(own, json!("x"), RunnerKind::Flink).unwrap();
        }
    }

    #[test]
    fn an_option_of_another_runner_says_so() {
        let note = |runner| judged("max_parallelism", json!(8), runner).unwrap().note;
        assert_eq!(note(RunnerKind::Spark), "only Beam's runner for flink reads it");
        assert_eq!((note(RunnerKind::Flink), note(RunnerKind::Portable)), (String::new(), String::new()));
        assert!(is_of_another("storageLevel", RunnerKind::Dataflow) && !is_of_another("input", RunnerKind::Dataflow));
    }
}

//! What becomes of pipeline options on Flink: three of them are settings of the run, the rest are arguments.
//!
//! `parallelism` is a field of the run; `checkpoint_interval` (or `checkpointing_interval`), `state_backend` and
//! `flink_configuration` are entries of Flink's configuration for the job. Beam takes all of them from there where its
//! own options say nothing. Every other option becomes one argument `--name=value`, by the rules of Beam's Java
//! `PipelineOptionsFactory`: a list of plain values becomes one argument each, anything nested is JSON, a null unsets
//! what the target's configuration says.

use serde_json::{Map, Value};

use super::{
    configuration::{CONFIGURATION, check_entry},
    storage::check_path,
};
use crate::{
    config::Target,
    error::Error,
    job::JobSpec,
    runner::{
        Provenance, ResolvedOption,
        options::{Sources, TOTAL_BYTES, arguments, check_args, same, text},
    },
};

/// Flink's shortest checkpoint interval, in milliseconds.
const SHORTEST_INTERVAL: u64 = 10;
/// Flink's largest parallelism.
const MOST_PARALLEL: u64 = 32_768;
/// State backends every release from 1.19 to 2.2 has.
const STATE_BACKENDS: [&str; 2] = ["hashmap", "rocksdb"];
/// Fields of a job that are no options.
const FIELDS: [&str; 2] = ["savepoint_path", "allow_non_restored_state"];
/// Beam's option for the folder of checkpoints: a storage path like a savepoint's.
const STORAGE_PATH: &str = "state_backend_storage_path";

/// Options of one job, resolved.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Arguments of the program.
    pub(super) argv: Vec<String>,
    /// `parallelism` and `flink_configuration`.
    pub(super) settings: Map<String, Value>,
    /// What was decided, for people.
    pub(super) options: Vec<ResolvedOption>,
    /// Those of them that the program is given.
    pub(super) arguments: Vec<ResolvedOption>,
    configuration: Map<String, Value>,
}

/// Resolves the options of a spec over the target's.
///
/// # Errors
/// `invalid_argument` or `permission_denied` with a reason of [`crate::runner::options`], or `bad_parallelism`,
/// `bad_checkpoint_interval`, `bad_state_backend`, `bad_flink_configuration`, `not_an_option`.
pub(super) fn resolve(spec: &JobSpec, target: &Target, operator: bool) -> Result<Resolved, Error> {
    let mut resolved = Resolved::default();
    check_args(&spec.args, &[FIELDS[0], FIELDS[1], STORAGE_PATH], operator)?;
    resolved.argv.clone_from(&spec.args);
    let mut sources = Sources::of(target, spec, operator);
    for (from, entries) in sources.take(CONFIGURATION)? {
        resolved.configure(entries, from, sources.may(from))?;
    }
    let context_is_operators = sources.may(Provenance::Context);
    for option in sources.resolve()? {
        let is_checked = match option.from {
            Provenance::Caller => true,
            Provenance::Context => !context_is_operators,
            Provenance::Product | Provenance::Target | Provenance::Preset => false,
        };
        if is_checked && same(&option.name, STORAGE_PATH) {
            check_path(target, &text(&option.value), operator && option.from == Provenance::Caller)?;
        }
        resolved.add(option)?;
    }
    let size: usize = resolved.argv.iter().map(String::len).sum();
    if size > TOTAL_BYTES {
        return Err(Error::invalid("options_too_large", "the arguments together are larger than 64 KiB"));
    }
    if !resolved.configuration.is_empty() {
        resolved.settings.insert(CONFIGURATION.into(), std::mem::take(&mut resolved.configuration).into());
    }
    Ok(resolved)
}

impl Resolved {
    fn configure(&mut self, entries: Value, from: Provenance, operator: bool) -> Result<(), Error> {
        let Value::Object(entries) = entries else {
            return Err(Error::invalid("bad_flink_configuration", "flink_configuration is an object of plain values"));
        };
        for (key, value) in entries {
            check_entry(&key, &value, operator)?;
            let named = format!("{CONFIGURATION}.{key}");
            self.options.retain(|option| option.name != named);
            self.options.push(ResolvedOption { name: named, value: value.clone(), from, note: String::new() });
            self.configuration.insert(key, text(&value).into());
        }
        Ok(())
    }

    fn add(&mut self, mut option: ResolvedOption) -> Result<(), Error> {
        refuse_field(&option)?;
        if option.value.is_null() {
            option.note = "unset: nothing is sent".into();
        } else if same(&option.name, "parallelism") {
            let number = whole(&option.value, 1..=MOST_PARALLEL).ok_or_else(bad_parallelism)?;
            self.settings.insert("parallelism".into(), number.into());
            option.note = "sent as the run's parallelism".into();
        } else if is_interval(&option.name) {
            let ms = whole(&option.value, SHORTEST_INTERVAL..=u64::MAX / 2).ok_or_else(bad_interval)?;
            self.set(&mut option, "execution.checkpointing.interval", format!("{ms} ms"));
        } else if is_backend(&option.name) {
            let backend = backend(&option.value)?;
            self.set(&mut option, "state.backend.type", backend.to_owned());
        } else {
            let (items, note) = arguments(&option)?;
            self.argv.extend(items);
            if !note.is_empty() {
                option.note = note;
            }
            self.arguments.push(option.clone());
        }
        self.options.push(option);
        Ok(())
    }

    /// Sets an entry of Flink's configuration. An alias wins over the entry itself, unless that is more particular.
    fn set(&mut self, option: &mut ResolvedOption, key: &str, value: String) {
        let entry = self.options.iter().find(|other| other.name == format!("{CONFIGURATION}.{key}"));
        if entry.is_some_and(|entry| entry.from > option.from) {
            option.note = format!("{CONFIGURATION} says otherwise");
            return;
        }
        option.note = format!("sent as Flink's {key}={value}");
        self.configuration.insert(key.to_owned(), value.into());
    }
}

/// True for an option that is a setting of the run and none of Beam's.
pub(super) fn is_setting(option: &ResolvedOption) -> bool {
    let name = &option.name;
    same(name, "parallelism") || is_interval(name) || is_backend(name) || name.starts_with(CONFIGURATION)
}

/// `stateBackend` is Beam's own option and stays an argument.
fn is_backend(name: &str) -> bool {
    name == "state_backend" || name == "state-backend"
}

/// `checkpointingInterval` is Beam's own option and stays an argument.
fn is_interval(name: &str) -> bool {
    name != "checkpointingInterval" && (same(name, "checkpoint_interval") || same(name, "checkpointing_interval"))
}

fn whole(value: &Value, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    range.contains(&number).then_some(number)
}

fn bad_parallelism() -> Error {
    Error::invalid("bad_parallelism", format!("parallelism is a whole number from 1 to {MOST_PARALLEL}"))
}

fn bad_interval() -> Error {
    Error::invalid(
        "bad_checkpoint_interval",
        format!("checkpoint_interval is a whole number of milliseconds, at least {SHORTEST_INTERVAL}"),
    )
}

fn backend(value: &Value) -> Result<&'static str, Error> {
    let word = value.as_str().unwrap_or_default().to_ascii_lowercase();
    STATE_BACKENDS.into_iter().find(|known| **known == word).ok_or_else(|| {
        Error::invalid("bad_state_backend", "state_backend is hashmap (state in memory) or rocksdb (state on disk)")
            .with("state_backend", text(value))
    })
}

fn refuse_field(option: &ResolvedOption) -> Result<(), Error> {
    match FIELDS.iter().find(|name| same(name, &option.name)) {
        None => Ok(()),
        Some(field) => Err(Error::invalid("not_an_option", format!("`{}` is no pipeline option here", option.name))
            .suggest(format!("use the job's own field `{field}`"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::flink::testing;

    fn try_resolve(caller: Value, target_options: Value, operator: bool) -> Result<Resolved, Error> {
        let spec = JobSpec { pipeline_options: serde_json::from_value(caller).unwrap(), ..JobSpec::default() };
        let mut target = testing::target();
        target.options = serde_json::from_value(target_options).unwrap();
        resolve(&spec, &target, operator)
    }

    fn resolved(caller: Value, target_options: Value) -> Resolved {
        try_resolve(caller, target_options, false).unwrap()
    }

    #[test]
    fn three_options_are_settings_and_the_rest_are_arguments() {
        let resolved = resolved(
            json!({
                "parallelism": 4, "checkpoint_interval": 60000, "state_backend": "RocksDB",
                "input_source": "kafka://input-topic", "streaming": true, "runner": "FlinkRunner",
                "tags": ["a", "b"], "sizes": {"x": [1]}, "none": [], "fraction": 0.5, "jobName": "my job",
            }),
            json!({}),
        );
        assert_eq!(
            resolved.argv,
            [
                "--fraction=0.5",
                "--input_source=kafka://input-topic",
                "--jobName=my job",
                "--runner=FlinkRunner",
                "--sizes={\"x\":[1]}",
                "--streaming=true",
                "--tags=a",
                "--tags=b",
            ]
        );
        let settings = json!({
            "parallelism": 4,
            "flink_configuration": {"execution.checkpointing.interval": "60000 ms", "state.backend.type": "rocksdb"},
        });
        assert_eq!(Value::Object(resolved.settings), settings);
        let noted: Vec<_> = resolved
            .options
            .iter()
            .filter(|o| !o.note.is_empty())
            .map(|o| (o.name.as_str(), o.note.as_str()))
            .collect();
        assert_eq!(
            noted,
            [
                ("checkpoint_interval", "sent as Flink's execution.checkpointing.interval=60000 ms"),
                ("none", "an empty list: nothing is sent"),
                ("parallelism", "sent as the run's parallelism"),
                ("state_backend", "sent as Flink's state.backend.type=rocksdb"),
            ]
        );
    }

    #[test]
    fn spellings_of_the_aliases() {
        for (name, value) in [
            ("checkpointing_interval", json!(500)),
            ("checkpoint-interval", json!("500")),
            ("checkpointInterval", json!(500)),
        ] {
            let resolved = resolved(json!({name: value}), json!({}));
            let interval = &resolved.settings["flink_configuration"]["execution.checkpointing.interval"];
            assert_eq!((interval, resolved.argv.len()), (&json!("500 ms"), 0), "{name}");
        }
        let beams_own = resolved(json!({"checkpointingInterval": 500, "stateBackend": "rocksdb"}), json!({}));
        assert_eq!(beams_own.argv, ["--checkpointingInterval=500", "--stateBackend=rocksdb"]);
        assert!(beams_own.settings.is_empty());
    }

    #[test]
    fn what_the_caller_sends_wins_over_the_target() {
        let target = json!({
            "parallelism": 1, "temp_location": "s3://b/t", "checkpoint_interval": 1000, "environment_type": "EXTERNAL",
            "flink_configuration": {"restart-strategy.type": "none", "taskmanager.cpu.cores": 2},
        });
        let caller = json!({
            "parallelism": null, "tempLocation": "s3://b/mine",
            "flink_configuration": {"execution.checkpointing.interval": "5 s", "restart-strategy.type": "fixed-delay"},
        });
        let resolved = resolved(caller, target);
        assert_eq!(resolved.argv, ["--environment_type=EXTERNAL", "--tempLocation=s3://b/mine"]);
        let configuration = json!({
            "execution.checkpointing.interval": "5 s", "restart-strategy.type": "fixed-delay", "taskmanager.cpu.cores": "2",
        });
        assert_eq!(Value::Object(resolved.settings), json!({"flink_configuration": configuration}));
        let from: std::collections::BTreeMap<_, _> =
            resolved.options.iter().map(|option| (option.name.as_str(), option.from)).collect();
        assert_eq!(from["environment_type"], Provenance::Target);
        assert_eq!(from["flink_configuration.restart-strategy.type"], Provenance::Caller);
        assert_eq!(from["flink_configuration.taskmanager.cpu.cores"], Provenance::Target);
        assert_eq!(from["tempLocation"], Provenance::Caller);
    }

    #[test]
    fn where_state_is_kept_is_checked_in_what_is_not_the_operators_word() {
        let kept = |value: &str| serde_json::from_value(json!({STORAGE_PATH: value})).unwrap();
        let mut target = Target::new("f", crate::config::RunnerKind::Flink);
        target.savepoint_dir = Some("s3://sp".into());
        let of = |spec: &JobSpec| resolve(spec, &target, false).map(drop);
        let context = |by_operator| JobSpec {
            context_options: kept("s3://else"),
            context_by_operator: by_operator,
            ..JobSpec::default()
        };
        let caller = JobSpec { pipeline_options: kept("s3://else"), ..JobSpec::default() };
        for spec in [&caller, &context(false)] {
            assert_eq!(of(spec).unwrap_err().reason(), "savepoint_path_not_allowed");
        }
        of(&context(true)).unwrap();
        of(&JobSpec { preset_options: kept("s3://else"), ..JobSpec::default() }).unwrap();
        of(&JobSpec { pipeline_options: kept("s3://sp/a"), ..JobSpec::default() }).unwrap();
        let own = Target { options: kept("/anywhere"), ..target.clone() };
        resolve(&JobSpec::default(), &own, false).unwrap();
    }

    #[test]
    fn what_is_refused_and_why() {
        for (caller, reason) in [
            (json!({"parallelism": 0}), "bad_parallelism"),
            (json!({"parallelism": 40000}), "bad_parallelism"),
            (json!({"parallelism": 2.5}), "bad_parallelism"),
            (json!({"parallelism": "many"}), "bad_parallelism"),
            (json!({"checkpoint_interval": 9}), "bad_checkpoint_interval"),
            (json!({"checkpoint_interval": "60s"}), "bad_checkpoint_interval"),
            (json!({"state_backend": "filesystem"}), "bad_state_backend"),
            (json!({"state_backend": 1}), "bad_state_backend"),
            (json!({"savepointPath": "s3://b/x"}), "not_an_option"),
            (json!({"allow_non_restored_state": true}), "not_an_option"),
            (json!({"stateBackendStoragePath": "s3://b/x"}), "savepoint_path_not_allowed"),
            (json!({"flinkMaster": "evil:8081"}), "operator_only_option"),
            (json!({"files_to_stage": ["x"]}), "operator_only_option"),
            (json!({"filesToStage": ["x"]}), "operator_only_option"),
            (json!({"flink_configuration": {"env.java.opts.all": "-javaagent:x"}}), "operator_only_option"),
            (json!({"flink_configuration": {"execution.checkpointing.dir": "s3://x"}}), "operator_only_option"),
            (json!({"flinkConfiguration": {"jobmanager.rpc.address": "x"}}), "operator_only_option"),
            (json!({"flink_configuration": {"restart-strategy": "x"}}), "operator_only_option"),
            (json!({"flink_configuration": {"execution.runtime-mode": ["x"]}}), "bad_flink_configuration"),
            (json!({"flink_configuration": {"a b": "x"}}), "bad_flink_configuration"),
            (json!({"flink_configuration": "x"}), "bad_flink_configuration"),
            (json!({"a b": 1}), "bad_option_name"),
            (json!({"a=b": 1}), "bad_option_name"),
            (json!({"-x": 1}), "bad_option_name"),
            (json!({"a": "x\ny"}), "bad_option_value"),
            (json!({"a": ["x\u{0}"]}), "bad_option_value"),
            (json!({"a_b": 1, "aB": 2}), "option_twice"),
            (json!({"a": "x".repeat(9000)}), "option_too_large"),
        ] {
            assert_eq!(try_resolve(caller.clone(), json!({}), false).unwrap_err().reason(), reason, "{caller}");
        }
        let operator = json!({"flink_master": "x:1", "flink_configuration": {"execution.checkpointing.dir": "s3://x"}});
        try_resolve(operator, json!({}), true).unwrap();
    }

    #[test]
    fn no_value_becomes_a_second_option() {
        for value in ["--runner=Evil", "a --b=c", "", "=", "'\"$(x)"] {
            let resolved = resolved(json!({"name": value, "many": [value, value]}), json!({}));
            assert_eq!(
                resolved.argv,
                [format!("--many={value}"), format!("--many={value}"), format!("--name={value}")]
            );
        }
        let commas = resolved(json!({"many": ["a,b", "c"]}), json!({}));
        assert!(commas.options[0].note.contains("commas"));
    }

    #[test]
    fn plain_arguments_come_first_and_set_no_guarded_option() {
        let with = |args: &[&str]| {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let pipeline_options = serde_json::from_value(json!({"x": 1})).unwrap();
            let spec = JobSpec { args, pipeline_options, ..JobSpec::default() };
            resolve(&spec, &testing::target(), false)
        };
        assert_eq!(with(&["--rate", "200"]).unwrap().argv, ["--rate", "200", "--x=1"]);
        for (bad, reason) in [
            ("--flinkMaster=evil", "operator_only_option"),
            ("--flink_master", "operator_only_option"),
            ("--savepointPath=s3://x", "bad_argument"),
            ("--stateBackendStoragePath=s3://x", "bad_argument"),
            ("a\nb", "bad_option_value"),
        ] {
            assert_eq!(with(&[bad]).unwrap_err().reason(), reason, "{bad}");
        }
        let long = "x".repeat(8000);
        assert_eq!(with(&[long.as_str(); 9]).unwrap_err().reason(), "options_too_large");
    }
}

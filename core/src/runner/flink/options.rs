//! What becomes of pipeline options on Flink: three of them are settings of the run, the rest are arguments.
//!
//! `parallelism` is a field of the run; `checkpoint_interval` (or `checkpointing_interval`), `state_backend` and
//! `flink_configuration` are entries of Flink's configuration for the job. Beam takes all of them from there where its
//! own options say nothing. Every other option becomes one argument `--name=value`, by the rules of Beam's Java
//! `PipelineOptionsFactory`: a list of plain values becomes one argument each, anything nested is JSON, a null unsets
//! what the target's configuration says.

use serde_json::{Map, Value};

use super::storage::check_path;
use crate::{
    config::Target,
    error::Error,
    job::JobSpec,
    runner::{
        Provenance, ResolvedOption,
        options::{TOTAL_BYTES, check_args, check_value, merge, same, text},
    },
};

/// Flink's shortest checkpoint interval, in milliseconds.
const SHORTEST_INTERVAL: u64 = 10;
/// Flink's largest parallelism.
const MOST_PARALLEL: u64 = 32_768;
/// State backends every release from 1.19 to 2.2 has.
const STATE_BACKENDS: [&str; 2] = ["hashmap", "rocksdb"];
/// Option that holds entries of Flink's configuration.
const CONFIGURATION: &str = "flink_configuration";

/// Entries of Flink's configuration a caller may set (security-reliability.md T26); a trailing `.` names a family.
/// Folders, class names, JVM options and anything of the cluster's own are not among them.
const CALLERS_KEYS: [&str; 21] = [
    "execution.buffer-timeout.interval",
    "execution.checkpointing.aligned-checkpoint-timeout",
    "execution.checkpointing.externalized-checkpoint-retention",
    "execution.checkpointing.incremental",
    "execution.checkpointing.interval",
    "execution.checkpointing.max-concurrent-checkpoints",
    "execution.checkpointing.min-pause",
    "execution.checkpointing.mode",
    "execution.checkpointing.num-retained",
    "execution.checkpointing.timeout",
    "execution.checkpointing.tolerable-failed-checkpoints",
    "execution.checkpointing.unaligned.enabled",
    "execution.runtime-mode",
    "parallelism.default",
    "pipeline.auto-watermark-interval",
    "pipeline.max-parallelism",
    "pipeline.object-reuse",
    "pipeline.operator-chaining.enabled",
    "restart-strategy.",
    "state.backend.incremental",
    "state.backend.type",
];

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
    let (target_keys, target_options) = split(&target.options);
    let (caller_keys, caller_options) = split(&spec.pipeline_options);
    resolved.configure(target_keys, Provenance::Target, true)?;
    resolved.configure(caller_keys, Provenance::Caller, operator)?;
    for option in merge(&target_options, &caller_options, operator)? {
        if option.from == Provenance::Caller && same(&option.name, STORAGE_PATH) {
            check_path(target, &text(&option.value), operator)?;
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

/// The entries of Flink's configuration, and the options that remain.
fn split(options: &Map<String, Value>) -> (Option<Value>, Map<String, Value>) {
    let (keys, rest): (Map<_, _>, Map<_, _>) =
        options.clone().into_iter().partition(|(name, _)| same(name, CONFIGURATION));
    (keys.into_iter().next().map(|(_, value)| value), rest)
}

impl Resolved {
    fn configure(&mut self, entries: Option<Value>, from: Provenance, operator: bool) -> Result<(), Error> {
        let Some(entries) = entries else { return Ok(()) };
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
        } else if option.name == "state_backend" || option.name == "state-backend" {
            let backend = backend(&option.value)?;
            self.set(&mut option, "state.backend.type", backend.to_owned());
        } else {
            option.note = self.argue(&option)?;
        }
        self.options.push(option);
        Ok(())
    }

    /// Sets an entry of Flink's configuration. An alias wins over the entry itself, but not the target's over the
    /// caller's.
    fn set(&mut self, option: &mut ResolvedOption, key: &str, value: String) {
        let entry = self.options.iter().find(|other| other.name == format!("{CONFIGURATION}.{key}"));
        if option.from == Provenance::Target && entry.is_some_and(|entry| entry.from == Provenance::Caller) {
            option.note = format!("the caller's {CONFIGURATION} says otherwise");
            return;
        }
        option.note = format!("sent as Flink's {key}={value}");
        self.configuration.insert(key.to_owned(), value.into());
    }

    fn argue(&mut self, option: &ResolvedOption) -> Result<String, Error> {
        let items = match &option.value {
            Value::Array(items) if items.iter().all(is_plain) => items.iter().map(text).collect(),
            other => vec![text(other)],
        };
        for item in &items {
            check_value(&option.name, item)?;
            self.argv.push(format!("--{}={item}", option.name));
        }
        let split = option.value.is_array() && items.len() > 1 && items.iter().any(|item| item.contains(','));
        Ok(match items.len() {
            0 => "an empty list: nothing is sent".into(),
            _ if split => "Beam's Java SDK splits list values at commas".into(),
            _ => String::new(),
        })
    }
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
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

fn check_entry(key: &str, value: &Value, operator: bool) -> Result<(), Error> {
    let well =
        !key.is_empty() && key.len() <= 128 && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !well || !is_plain(value) {
        return Err(Error::invalid(
            "bad_flink_configuration",
            "flink_configuration holds Flink's keys and plain values",
        )
        .with("key", key));
    }
    check_value(key, &text(value))?;
    let listed = |entry: &str| entry == key || (entry.ends_with('.') && key.starts_with(entry));
    if operator || CALLERS_KEYS.into_iter().any(listed) {
        return Ok(());
    }
    Err(Error::new(
        crate::ErrorKind::PermissionDenied,
        "operator_only_option",
        format!("only an operator may set Flink's `{key}`"),
    )
    .with("option", key)
    .suggest("leave it out, or ask the operator to set it in the target's `options`"))
}

fn refuse_field(option: &ResolvedOption) -> Result<(), Error> {
    match FIELDS.iter().find(|name| same(name, &option.name)) {
        None => Ok(()),
        Some(field) => Err(Error::invalid("not_an_option", format!("`{}` is no pipeline option here", option.name))
            .suggest(format!("use the job's own field `{field}`"))),
    }
}

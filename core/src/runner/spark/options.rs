//! What becomes of pipeline options on Spark: properties of the submission, and arguments of the program.
//!
//! `spark_configuration` holds Spark's properties. `parallelism` is `spark.cores.max` and `spark.default.parallelism`:
//! that many tasks side by side. `checkpoint_interval` is Beam's `checkpointDurationMillis`. Every other option becomes
//! one argument `--name=value`, as on Flink.

use serde_json::{Map, Value};

use super::properties::{CONFIGURATION, check_entry};
use crate::{
    config::Target,
    error::Error,
    job::JobSpec,
    runner::{
        Provenance, ResolvedOption,
        options::{Sources, TOTAL_BYTES, arguments, check_args, same, text},
    },
};

/// Most cores of one job.
const MOST_PARALLEL: u64 = 32_768;
/// Shortest checkpoint interval, in milliseconds.
const SHORTEST_INTERVAL: u64 = 10;
/// Fields of a job that are no options.
const FIELDS: [&str; 2] = ["savepoint_path", "allow_non_restored_state"];
const PARALLELISM: [&str; 2] = ["spark.cores.max", "spark.default.parallelism"];

/// Options of one job, resolved.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Arguments of the program.
    pub(super) argv: Vec<String>,
    /// Spark's properties.
    pub(super) properties: Map<String, Value>,
    /// What was decided, for people.
    pub(super) options: Vec<ResolvedOption>,
    /// Those of them that the program is given.
    pub(super) arguments: Vec<ResolvedOption>,
    /// What became of the others, where that is an option of Beam's.
    pub(super) beams: Map<String, Value>,
}

/// True for an option that is a setting of the submission and none of Beam's.
pub(super) fn is_setting(option: &ResolvedOption) -> bool {
    let name = &option.name;
    same(name, "parallelism") || is_interval(name) || name.starts_with(CONFIGURATION)
}

fn is_interval(name: &str) -> bool {
    same(name, "checkpoint_interval") || same(name, "checkpointing_interval")
}

/// Resolves the options of a spec over the target's.
///
/// # Errors
/// `invalid_argument` or `permission_denied` with a reason of [`crate::runner::options`], or `bad_parallelism`,
/// `bad_checkpoint_interval`, `bad_spark_configuration`, `not_an_option`; `unsupported` for a state backend.
pub(super) fn resolve(spec: &JobSpec, target: &Target, operator: bool) -> Result<Resolved, Error> {
    let mut resolved = Resolved::default();
    check_args(&spec.args, &FIELDS, operator)?;
    resolved.argv.clone_from(&spec.args);
    let mut sources = Sources::of(target, spec, operator);
    for (from, entries) in sources.take(CONFIGURATION)? {
        resolved.configure(entries, from, sources.may(from))?;
    }
    for option in sources.resolve()? {
        resolved.add(option)?;
    }
    let size: usize = resolved.argv.iter().map(String::len).sum();
    if size > TOTAL_BYTES {
        return Err(Error::invalid("options_too_large", "the arguments together are larger than 64 KiB"));
    }
    Ok(resolved)
}

impl Resolved {
    fn configure(&mut self, entries: Value, from: Provenance, operator: bool) -> Result<(), Error> {
        let Value::Object(entries) = entries else {
            return Err(Error::invalid("bad_spark_configuration", "spark_configuration is an object of plain values"));
        };
        for (key, value) in entries {
            check_entry(&key, &value, operator)?;
            let named = format!("{CONFIGURATION}.{key}");
            self.options.retain(|option| option.name != named);
            self.options.push(ResolvedOption { name: named, value: value.clone(), from, note: String::new() });
            self.properties.insert(key, text(&value).into());
        }
        Ok(())
    }

    fn add(&mut self, mut option: ResolvedOption) -> Result<(), Error> {
        refuse(&option)?;
        if option.value.is_null() {
            option.note = "unset: nothing is sent".into();
        } else if same(&option.name, "parallelism") {
            let number = whole(&option.value, 1..=MOST_PARALLEL).ok_or_else(bad_parallelism)?;
            self.set(&mut option, number);
        } else if is_interval(&option.name) {
            let ms = whole(&option.value, SHORTEST_INTERVAL..=u64::MAX / 2).ok_or_else(bad_interval)?;
            self.argv.push(format!("--checkpointDurationMillis={ms}"));
            self.beams.insert("checkpoint_duration_millis".into(), ms.to_string().into());
            option.note = format!("sent as Beam's --checkpointDurationMillis={ms}");
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

    /// `parallelism` wins over the property itself, unless that is more particular.
    fn set(&mut self, option: &mut ResolvedOption, number: u64) {
        for key in PARALLELISM {
            let entry = self.options.iter().find(|other| other.name == format!("{CONFIGURATION}.{key}"));
            if entry.is_some_and(|entry| entry.from > option.from) {
                option.note = format!("{CONFIGURATION} says otherwise");
                continue;
            }
            self.properties.insert(key.to_owned(), number.to_string().into());
            if option.note.is_empty() {
                option.note = format!("sent as Spark's {} and {}", PARALLELISM[0], PARALLELISM[1]);
            }
        }
    }
}

fn refuse(option: &ResolvedOption) -> Result<(), Error> {
    if FIELDS.iter().any(|field| same(&option.name, field)) {
        return Err(Error::invalid("not_an_option", format!("`{}` is a field of the job, not an option", option.name))
            .suggest("move it out of `pipeline_options`"));
    }
    if same(&option.name, "state_backend") && !option.value.is_null() {
        return Err(Error::unsupported("option_unsupported_by_runner", "Spark has no state backend to choose")
            .with("option", &option.name)
            .suggest("leave it out; streaming state goes to the pipeline's checkpoint folder (Beam: checkpointDir)"));
    }
    Ok(())
}

fn whole(value: &Value, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.filter(|number| range.contains(number))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::spark::testing;

    fn try_resolve(caller: Value, target: Value, operator: bool) -> Result<Resolved, Error> {
        let pipeline_options = serde_json::from_value(caller).unwrap();
        let spec = JobSpec { pipeline_options, ..JobSpec::default() };
        let target = Target { options: serde_json::from_value(target).unwrap(), ..testing::target() };
        resolve(&spec, &target, operator)
    }

    #[test]
    fn options_become_properties_and_arguments() {
        let target = json!({
            "runner": "SparkRunner",
            "spark_configuration": {"spark.eventLog.enabled": true, "spark.executor.memory": "1g", "spark.cores.max": 8},
        });
        let caller = json!({
            "parallelism": 2, "checkpoint_interval": 500, "input": "a b", "many": ["x", "y"],
            "sparkConfiguration": {"spark.executor.memory": "512m"},
        });
        let resolved = try_resolve(caller, target, false).unwrap();
        assert_eq!(
            resolved.argv,
            ["--checkpointDurationMillis=500", "--input=a b", "--many=x", "--many=y", "--runner=SparkRunner"]
        );
        let properties = json!({
            "spark.eventLog.enabled": "true", "spark.executor.memory": "512m", "spark.cores.max": "2",
            "spark.default.parallelism": "2",
        });
        assert_eq!(Value::Object(resolved.properties), properties);
        let from: std::collections::BTreeMap<_, _> =
            resolved.options.iter().map(|option| (option.name.as_str(), option.from)).collect();
        assert_eq!(from["spark_configuration.spark.executor.memory"], Provenance::Caller);
        assert_eq!(from["spark_configuration.spark.eventLog.enabled"], Provenance::Target);
        assert_eq!((from["parallelism"], from["runner"]), (Provenance::Caller, Provenance::Target));
        let target = json!({"parallelism": 4});
        let caller = json!({"spark_configuration": {"spark.cores.max": 1}});
        let resolved = try_resolve(caller, target, false).unwrap();
        assert_eq!(resolved.properties["spark.cores.max"], "1", "the caller wins over the target's alias");
    }

    #[test]
    fn what_is_refused_and_why() {
        for (caller, reason) in [
            (json!({"parallelism": 0}), "bad_parallelism"),
            (json!({"parallelism": "many"}), "bad_parallelism"),
            (json!({"checkpoint_interval": 9}), "bad_checkpoint_interval"),
            (json!({"state_backend": "rocksdb"}), "option_unsupported_by_runner"),
            (json!({"savepointPath": "x"}), "not_an_option"),
            (json!({"spark_master": "spark://evil:7077"}), "operator_only_option"),
            (json!({"sparkMaster": "local"}), "operator_only_option"),
            (json!({"filesToStage": ["x"]}), "operator_only_option"),
            (json!({"spark_configuration": "x"}), "bad_spark_configuration"),
            (json!({"spark_configuration": {"spark.executor.memory": ["1g"]}}), "bad_spark_configuration"),
            (json!({"spark_configuration": {"java.home": "x"}}), "bad_spark_configuration"),
            (json!({"spark_configuration": {"spark.a b": "x"}}), "bad_spark_configuration"),
            (json!({"spark_configuration": {"spark.executor.memory": "1g\" \"-Dx=y"}}), "bad_spark_configuration"),
            (json!({"spark_configuration": {"spark.executor.memory": "1g\n"}}), "bad_option_value"),
            (json!({"a": "x\ny"}), "bad_option_value"),
            (json!({"a_b": 1, "aB": 2}), "option_twice"),
        ] {
            assert_eq!(try_resolve(caller.clone(), json!({}), false).unwrap_err().reason(), reason, "{caller}");
        }
    }

    #[test]
    fn nothing_that_loads_code_or_leads_elsewhere_is_a_callers() {
        for key in [
            "spark.archives",
            "spark.driver.extraClassPath",
            "spark.driver.extraJavaOptions",
            "spark.driver.extraLibraryPath",
            "spark.driver.host",
            "spark.driver.userClassPathFirst",
            "spark.eventLog.dir",
            "spark.executor.extraClassPath",
            "spark.executor.extraJavaOptions",
            "spark.executor.plugins",
            "spark.executorEnv.LD_PRELOAD",
            "spark.extraListeners",
            "spark.files",
            "spark.hadoop.fs.s3a.secret.key",
            "spark.io.compression.codec",
            "spark.jars",
            "spark.jars.ivySettings",
            "spark.jars.packages",
            "spark.jars.repositories",
            "spark.kubernetes.driver.podTemplateFile",
            "spark.kryo.registrator",
            "spark.plugins",
            "spark.pyspark.python",
            "spark.redaction.regex",
            "spark.serializer",
            "spark.sql.extensions",
            "spark.sql.warehouse.dir",
            "spark.submit.pyFiles",
            "spark.ui.filters",
            "spark.yarn.dist.jars",
        ] {
            let caller = json!({"spark_configuration": {key: "x"}});
            let denied = try_resolve(caller.clone(), json!({}), false).unwrap_err();
            assert_eq!(denied.reason(), "operator_only_option", "{key}");
            try_resolve(caller.clone(), json!({}), true).unwrap();
            assert_eq!(try_resolve(json!({}), caller, false).unwrap().properties[key], "x");
        }
        for key in ["spark.beam.jobId", "spark.master", "spark.app.name", "spark.submit.deployMode", "spark.beam.JobID"]
        {
            for (caller, target) in [(json!({key: "x"}), json!({})), (json!({}), json!({key: "x"}))] {
                let configuration = |keys: Value| json!({"spark_configuration": keys});
                let refused = try_resolve(configuration(caller), configuration(target), true).unwrap_err();
                assert_eq!(refused.reason(), "not_an_option", "{key}");
            }
        }
    }
}

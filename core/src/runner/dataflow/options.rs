//! What becomes of pipeline options on Dataflow: those of Dataflow's own worker settings are fields of the launch's
//! environment, in Beam's Python or Java spelling; a parameter of the template becomes one; the rest are options the
//! template's program is started with.

use serde_json::{Map, Value, json};

use super::{
    name::{LABEL, is_label},
    response::TemplateMetadata,
    template::{Kind, is_storage},
};
use crate::{
    config::{RunnerKind, Target},
    error::Error,
    job::JobSpec,
    runner::{
        Provenance, ResolvedOption,
        options::{Sources, check_caller, is_of_another, same, text},
    },
};

/// Options of one job, resolved.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Fields of the launch's environment.
    pub(super) environment: Map<String, Value>,
    /// Options that are parameters of the template.
    pub(super) parameters: Map<String, Value>,
    /// Fewest workers, which no field of a launch has.
    pub(super) least: Option<u64>,
    /// Replace the running job of this name.
    pub(super) update: bool,
    /// Old to new names of steps, for an update.
    pub(super) transform_names: Map<String, Value>,
    /// What was decided, for people.
    pub(super) options: Vec<ResolvedOption>,
}

/// What kind of value a field takes.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Count,
    Flag,
    Storage,
    Texts,
}

/// Which launches know a field.
#[derive(Clone, Copy, Eq, PartialEq)]
enum On {
    Both,
    Flex,
}

/// Field, its shape, the launches that know it, and the options that mean it.
const FIELDS: [(&str, Shape, On, &[&str]); 17] = [
    ("numWorkers", Shape::Count, On::Both, &["num_workers", "parallelism"]),
    ("maxWorkers", Shape::Count, On::Both, &["max_num_workers", "max_workers"]),
    ("diskSizeGb", Shape::Count, On::Both, &["disk_size_gb", "worker_disk_size_gb"]),
    ("machineType", Shape::Text, On::Both, &["machine_type", "worker_machine_type"]),
    ("network", Shape::Text, On::Both, &["network"]),
    ("subnetwork", Shape::Text, On::Both, &["subnetwork"]),
    ("workerRegion", Shape::Text, On::Both, &["worker_region"]),
    ("workerZone", Shape::Text, On::Both, &["worker_zone", "zone"]),
    ("kmsKeyName", Shape::Text, On::Both, &["dataflow_kms_key", "kms_key_name"]),
    ("serviceAccountEmail", Shape::Text, On::Both, &["service_account_email", "service_account"]),
    ("enableStreamingEngine", Shape::Flag, On::Both, &["enable_streaming_engine"]),
    ("additionalExperiments", Shape::Texts, On::Both, &["experiments", "experiment"]),
    ("tempLocation", Shape::Storage, On::Both, &["temp_location", "gcp_temp_location"]),
    ("stagingLocation", Shape::Storage, On::Flex, &["staging_location"]),
    ("sdkContainerImage", Shape::Text, On::Flex, &["sdk_container_image"]),
    ("launcherMachineType", Shape::Text, On::Flex, &["launcher_machine_type"]),
    ("flexrsGoal", Shape::Text, On::Flex, &["flexrs_goal"]),
];

/// What is said of the fewest workers.
const LEAST: &str = "sent as the service option min_num_workers; streaming jobs with Streaming Engine heed it";

/// What other runners must be told of state and checkpoints, and their own settings.
const CHECKPOINTS: [&str; 3] = ["checkpoint_interval", "checkpointing_interval", "state_backend"];
const CONFIGURATIONS: [&str; 2] = ["flink_configuration", "spark_configuration"];

/// Fields that are the operator's under Google's names too.
const SMUGGLERS: [&str; 3] = ["additional_experiments", "additional_pipeline_options", "launch_options"];

/// Resolves the options of a spec over the target's.
///
/// # Errors
/// `invalid_argument` or `permission_denied` with a reason of [`crate::runner::options`], or `bad_option_value`,
/// `other_project`, `other_region`, `other_runner`, `bad_label`, `not_an_option`.
pub(super) fn resolve(
    spec: &JobSpec,
    target: &Target,
    kind: Kind,
    metadata: Option<&TemplateMetadata>,
    operator: bool,
) -> Result<Resolved, Error> {
    let mut resolved = Resolved::default();
    let declared = metadata.into_iter().flat_map(|all| all.parameters.iter().map(|known| known.name.clone()));
    for option in Sources::of(target, spec, operator).declared(declared).resolve()? {
        if SMUGGLERS.iter().any(|name| same(name, &option.name)) {
            check_caller("experiments", operator)?;
            return Err(not_an_option(&option.name, "write `experiments`, or each option by its own name"));
        }
        resolved.add(option, target, kind, metadata)?;
    }
    Ok(resolved)
}

impl Resolved {
    fn add(
        &mut self,
        mut option: ResolvedOption,
        target: &Target,
        kind: Kind,
        metadata: Option<&TemplateMetadata>,
    ) -> Result<(), Error> {
        let is = |names: &[&str]| names.iter().any(|name| same(name, &option.name));
        let declared = metadata.is_some_and(|all| all.parameters.iter().any(|known| known.name == option.name));
        option.note = if option.value.is_null() {
            "unset: nothing is sent".into()
        } else if declared {
            self.parameters.insert(option.name.clone(), option.value.clone());
            "a parameter of the template".into()
        } else if let Some(field) = FIELDS.iter().find(|(_, _, on, names)| is(names) && fits(*on, kind)) {
            self.choose(field.0, shaped(field.1, &option)?, &option)?
        } else if is(&["min_num_workers", "min_workers"]) {
            self.fewest(shaped(Shape::Count, &option)?.as_u64(), &option)?
        } else if is(&["project"]) {
            own(&option, target.project.as_deref(), "other_project")?
        } else if is(&["region"]) {
            own(&option, target.region.as_deref(), "other_region")?
        } else if is(&["runner"]) {
            runner(&option)?
        } else if is(&["streaming"]) {
            "the template decides that; nothing is sent".into()
        } else if is(&["use_public_ips"]) {
            self.addresses(truth(&option)?, &option)?
        } else if is(&["no_use_public_ips"]) {
            self.addresses(!truth(&option)?, &option)?
        } else if is(&["autoscaling_algorithm"]) && kind == Kind::Flex {
            self.set("autoscalingAlgorithm", autoscaling(&option)?);
            "sent as autoscalingAlgorithm".into()
        } else if is(&["labels", "label", "additional_user_labels"]) {
            self.label(&option)?
        } else if is(&["update"]) {
            self.update = truth(&option)?;
            "replaces the running job of this name".into()
        } else if is(&["transform_name_mapping"]) {
            self.transform_names = mapping(&option)?;
            "old to new names of steps".into()
        } else if is(&CHECKPOINTS) {
            "Dataflow keeps state and checkpoints itself; nothing is sent".into()
        } else if is_of_another(&option.name, RunnerKind::Dataflow) || is(&CONFIGURATIONS) {
            "only another runner reads it; nothing is sent".into()
        } else if is(&["job_name"]) {
            return Err(not_an_option(&option.name, "use the job's own field `job_name`"));
        } else if is(&["create_from_snapshot"]) {
            return Err(not_an_option(&option.name, "use the job's own field `savepoint_path`"));
        } else {
            self.argue(&option)
        };
        self.options.push(option);
        Ok(())
    }

    /// Sets a field, unless another option that means it is more particular.
    fn choose(&mut self, field: &str, value: Value, option: &ResolvedOption) -> Result<String, Error> {
        let sent = format!("sent as {field}");
        let agrees = self.environment.get(field) == Some(&value);
        if let Some(over) = self.overruled(&sent, field, agrees, option)? {
            return Ok(over);
        }
        self.set(field, value);
        Ok(sent)
    }

    fn fewest(&mut self, count: Option<u64>, option: &ResolvedOption) -> Result<String, Error> {
        let agrees = self.least == count;
        if let Some(over) = self.overruled(LEAST, "min_num_workers", agrees, option)? {
            return Ok(over);
        }
        self.least = count;
        Ok(LEAST.to_owned())
    }

    fn addresses(&mut self, public: bool, option: &ResolvedOption) -> Result<String, Error> {
        let word = if public { "WORKER_IP_PUBLIC" } else { "WORKER_IP_PRIVATE" };
        self.choose("ipConfiguration", word.into(), option)
    }

    /// What is said of an option that another one, sent under the same words, overrules; the other way round that one
    /// is told so.
    fn overruled(
        &mut self,
        sent: &str,
        field: &str,
        agrees: bool,
        option: &ResolvedOption,
    ) -> Result<Option<String>, Error> {
        let Some(rival) = self.options.iter_mut().find(|other| other.note == sent) else { return Ok(None) };
        if rival.from > option.from {
            return Ok(Some(format!("`{}` says otherwise", rival.name)));
        }
        if rival.from == option.from && !agrees {
            return Err(Error::invalid(
                "option_twice",
                format!("`{}` and `{}` are one option", rival.name, option.name),
            )
            .with("field", field)
            .suggest("set one of them"));
        }
        if rival.from < option.from {
            rival.note = format!("`{}` says otherwise", option.name);
        }
        Ok(None)
    }

    pub(super) fn set(&mut self, field: &str, value: Value) {
        self.environment.insert(field.to_owned(), value);
    }

    /// An argument the program is started with.
    pub(super) fn pass(&mut self, argument: String) {
        let all = self.environment.entry("additionalPipelineOptions").or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(argument.into());
        }
    }

    /// An option the program itself is started with.
    pub(super) fn argue(&mut self, option: &ResolvedOption) -> String {
        let items = match &option.value {
            Value::Array(items) => items.iter().map(text).collect(),
            other => vec![text(other)],
        };
        for item in items {
            self.pass(format!("--{}={item}", option.name));
        }
        "an option of the template's program; Dataflow does not say which it takes".into()
    }

    fn label(&mut self, option: &ResolvedOption) -> Result<String, Error> {
        let pairs: Vec<(String, String)> = match &option.value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
            Value::Array(items) => items.iter().filter_map(|item| pair(&text(item))).collect(),
            other => pair(&text(other)).into_iter().collect(),
        };
        for (key, value) in pairs {
            if key == LABEL || !is_label(&key, &value) {
                return Err(bad_label(&key));
            }
            self.put_label(&key, &value);
        }
        Ok("sent as labels of the job".into())
    }

    pub(super) fn put_label(&mut self, key: &str, value: &str) {
        let labels = self.environment.entry("additionalUserLabels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(key.to_owned(), value.into());
        }
    }
}

fn fits(on: On, kind: Kind) -> bool {
    on == On::Both || kind == Kind::Flex
}

/// `key=value`.
fn pair(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
}

fn shaped(shape: Shape, option: &ResolvedOption) -> Result<Value, Error> {
    let value = text(&option.value);
    match shape {
        Shape::Text if !value.is_empty() => Ok(value.into()),
        Shape::Text => Err(bad(option, "some text")),
        Shape::Count => match value.parse::<u32>() {
            Ok(count) if (1..=65_536).contains(&count) => Ok(count.into()),
            _ => Err(bad(option, "a whole number of at least 1")),
        },
        Shape::Flag => truth(option).map(Value::from),
        Shape::Storage if is_storage(&value) => Ok(value.into()),
        Shape::Storage => Err(bad(option, "a gs:// path")),
        Shape::Texts => match &option.value {
            Value::Array(items) => Ok(items.iter().map(text).collect::<Vec<_>>().into()),
            _ => Ok(json!(value.split(',').collect::<Vec<_>>())),
        },
    }
}

fn truth(option: &ResolvedOption) -> Result<bool, Error> {
    match text(&option.value).to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(option, "true or false")),
    }
}

fn autoscaling(option: &ResolvedOption) -> Result<Value, Error> {
    match text(&option.value).to_ascii_uppercase().as_str() {
        "NONE" => Ok("AUTOSCALING_ALGORITHM_NONE".into()),
        "THROUGHPUT_BASED" | "BASIC" => Ok("AUTOSCALING_ALGORITHM_BASIC".into()),
        _ => Err(bad(option, "NONE or THROUGHPUT_BASED")),
    }
}

fn mapping(option: &ResolvedOption) -> Result<Map<String, Value>, Error> {
    let parsed = match &option.value {
        Value::Object(map) => Some(map.clone()),
        other => serde_json::from_str(&text(other)).ok(),
    };
    parsed.filter(|map| map.values().all(Value::is_string)).ok_or_else(|| bad(option, "an object of old to new names"))
}

/// The target is one project in one region; naming them again is allowed, naming others is not.
fn own(option: &ResolvedOption, own: Option<&str>, reason: &'static str) -> Result<String, Error> {
    if own == Some(text(&option.value).as_str()) {
        return Ok("the target's own; it is part of the address".into());
    }
    Err(Error::invalid(reason, format!("the target's {} is another one", option.name))
        .with("expected", own.unwrap_or_default())
        .with("given", text(&option.value))
        .suggest("leave the option out, or name the target of that project and region; list_runners shows them"))
}

fn runner(option: &ResolvedOption) -> Result<String, Error> {
    match RunnerKind::parse(&text(&option.value)) {
        Some(RunnerKind::Dataflow) => Ok("the target's own; nothing is sent".into()),
        _ => Err(Error::invalid("other_runner", "a Dataflow target runs jobs on DataflowRunner")
            .suggest("leave the option out, or name another target")),
    }
}

fn bad(option: &ResolvedOption, expected: &str) -> Error {
    Error::invalid("bad_option_value", format!("`{}` takes {expected}", option.name))
        .with("option", &option.name)
        .with("value", text(&option.value))
}

fn bad_label(key: &str) -> Error {
    Error::invalid("bad_label", "a label's key is a lower-case letter, then letters, digits, `_`, `-`, at most 63; its value the same, or empty")
        .with("label", key)
        .suggest(format!("write labels as an object of text; `{LABEL}` is the product's own"))
}

fn not_an_option(name: &str, suggestion: &'static str) -> Error {
    Error::invalid("not_an_option", format!("`{name}` is no pipeline option here")).suggest(suggestion)
}

/// The option that starts a job from a snapshot, in the language of its SDK.
pub(super) fn snapshot_option(language: &str, snapshot: &str) -> ResolvedOption {
    let name = if matches!(language, "PYTHON" | "YAML") { "create_from_snapshot" } else { "createFromSnapshot" };
    ResolvedOption {
        name: name.into(),
        value: snapshot.into(),
        from: Provenance::Caller,
        note: "starts from this snapshot".into(),
    }
}

/// The argument that asks for a service option, in the language of a template's SDK.
pub(super) fn service_argument(language: &str, option: &str) -> String {
    let name =
        if matches!(language, "PYTHON" | "YAML") { "dataflow_service_options" } else { "dataflowServiceOptions" };
    format!("--{name}={option}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ErrorKind, runner::dataflow::testing};

    fn try_resolve(caller: Value, kind: Kind, operator: bool) -> Result<Resolved, Error> {
        resolve_over(json!({"machine_type": "n2-standard-4"}), caller, kind, operator)
    }

    fn over_target(target: Value, caller: Value) -> Resolved {
        resolve_over(target, caller, Kind::Flex, false).unwrap()
    }

    fn resolve_over(own: Value, caller: Value, kind: Kind, operator: bool) -> Result<Resolved, Error> {
        let spec = JobSpec { pipeline_options: serde_json::from_value(caller).unwrap(), ..JobSpec::default() };
        let mut target = testing::target();
        target.options = serde_json::from_value(own).unwrap();
        let metadata = serde_json::from_value(json!({"parameters": [{"name": "output"}]})).unwrap();
        resolve(&spec, &target, kind, Some(&metadata), operator)
    }

    #[test]
    fn options_become_fields_in_either_spelling_and_each_says_where_it_went() {
        let caller = json!({
            "project": "acme-prod", "region": "us-central1", "runner": "DataflowRunner", "streaming": true,
            "tempLocation": "gs://b/t", "num_workers": 2, "maxNumWorkers": "5", "use_public_ips": false,
            "labels": {"team": "x"}, "output": "gs://b/o", "enable_streaming_engine": "true", "odd": [1, "two"],
            "worker_machine_type": null,
        });
        let resolved = try_resolve(caller, Kind::Classic, false).unwrap();
        let environment = json!({
            "tempLocation": "gs://b/t", "numWorkers": 2, "maxWorkers": 5, "ipConfiguration": "WORKER_IP_PRIVATE",
            "additionalUserLabels": {"team": "x"}, "enableStreamingEngine": true, "machineType": "n2-standard-4",
            "additionalPipelineOptions": ["--odd=1", "--odd=two"],
        });
        assert_eq!(Value::from(resolved.environment), environment);
        assert_eq!(Value::from(resolved.parameters), json!({"output": "gs://b/o"}));
        assert!(resolved.options.iter().all(|option| !option.note.is_empty()));
        let machine = resolved.options.iter().find(|option| option.name == "machine_type").unwrap();
        assert_eq!(machine.from, Provenance::Target);
    }

    #[test]
    fn two_options_of_one_field_are_never_silently_one() {
        let twice = try_resolve(json!({"parallelism": 2, "num_workers": 3}), Kind::Classic, false).unwrap_err();
        assert_eq!(twice.reason(), "option_twice");
        try_resolve(json!({"parallelism": 3, "num_workers": 3}), Kind::Classic, false).unwrap();
        let over = try_resolve(json!({"worker_machine_type": "e2"}), Kind::Classic, false).unwrap();
        assert_eq!(over.environment["machineType"], "e2", "the caller wins over the target, whatever the spelling");
        let notes: Vec<_> = over.options.iter().map(|option| option.note.as_str()).collect();
        assert_eq!(notes, ["`worker_machine_type` says otherwise", "sent as machineType"]);
        for caller in [
            json!({"min_num_workers": 1, "min_workers": 5}),
            json!({"use_public_ips": true, "no_use_public_ips": true}),
        ] {
            assert_eq!(try_resolve(caller, Kind::Flex, false).unwrap_err().reason(), "option_twice");
        }
        try_resolve(json!({"use_public_ips": false, "no_use_public_ips": true}), Kind::Flex, false).unwrap();
        let fewest = over_target(json!({"min_workers": 5}), json!({"min_num_workers": 1}));
        assert_eq!(fewest.least, Some(1));
        let private = over_target(json!({"use_public_ips": true}), json!({"no_use_public_ips": true}));
        assert_eq!(private.environment["ipConfiguration"], "WORKER_IP_PRIVATE");
    }

    #[test]
    fn a_field_only_flex_templates_know_is_an_option_of_the_program_elsewhere() {
        let caller = || json!({"staging_location": "gs://b/s", "autoscaling_algorithm": "THROUGHPUT_BASED"});
        let flex = try_resolve(caller(), Kind::Flex, false).unwrap().environment;
        assert_eq!(flex["stagingLocation"], "gs://b/s");
        assert_eq!(flex["autoscalingAlgorithm"], "AUTOSCALING_ALGORITHM_BASIC");
        let classic = try_resolve(caller(), Kind::Classic, false).unwrap().environment;
        assert_eq!(
            classic["additionalPipelineOptions"],
            json!(["--autoscaling_algorithm=THROUGHPUT_BASED", "--staging_location=gs://b/s"])
        );
    }

    #[test]
    fn what_loads_code_or_takes_another_identity_is_the_operators() {
        for name in [
            "experiments",
            "serviceAccountEmail",
            "sdk_container_image",
            "dataflow_endpoint",
            "impersonate_service_account",
            "additional_experiments",
            "additionalPipelineOptions",
            "launchOptions",
            "dataflow_service_options",
        ] {
            let error = try_resolve(json!({name: "x"}), Kind::Flex, false).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::PermissionDenied, "operator_only_option"), "{name}");
        }
        let own = try_resolve(json!({"experiments": "a,b", "service_account_email": "a@b"}), Kind::Flex, true).unwrap();
        assert_eq!(own.environment["additionalExperiments"], json!(["a", "b"]));
        assert_eq!(own.environment["serviceAccountEmail"], "a@b");
    }

    #[test]
    fn values_that_do_not_fit_are_told() {
        for (caller, reason) in [
            (json!({"project": "other"}), "other_project"),
            (json!({"region": "europe-west1"}), "other_region"),
            (json!({"runner": "FlinkRunner"}), "other_runner"),
            (json!({"num_workers": 0}), "bad_option_value"),
            (json!({"num_workers": "many"}), "bad_option_value"),
            (json!({"min_num_workers": 0}), "bad_option_value"),
            (json!({"temp_location": "/tmp"}), "bad_option_value"),
            (json!({"temp_location": "gs://b/../c"}), "bad_option_value"),
            (json!({"machine_type": ""}), "bad_option_value"),
            (json!({"update": "perhaps"}), "bad_option_value"),
            (json!({"transform_name_mapping": "no json"}), "bad_option_value"),
            (json!({"autoscaling_algorithm": "MAGIC"}), "bad_option_value"),
            (json!({"labels": {"Team": "x"}}), "bad_label"),
            (json!({"labels": {"beam_mcp_job": "x"}}), "bad_label"),
            (json!({"job_name": "x"}), "not_an_option"),
            (json!({"create_from_snapshot": "x"}), "not_an_option"),
        ] {
            assert_eq!(try_resolve(caller.clone(), Kind::Flex, false).unwrap_err().reason(), reason, "{caller}");
        }
    }
}

//! What callers who may not set an option do not read of it: its value. Name and provenance they do.

use serde_json::{Map, Value};

use super::{is_operator_only, same};
use crate::runner::{PlannedCall, Provenance, ResolvedOption, flink::is_operators_entry, spark::is_operators_property};

/// What stands in the place of a value.
pub const WITHHELD: &str = "(only for operators)";

/// Flink's and Spark's own settings, in any spelling, and where a launch on Dataflow has the experiments.
const FLINKS: &str = "flink_configuration";
const SPARKS: &str = "spark_configuration";
const EXPERIMENTS: &str = "additionalExperiments";

/// True for a name whose value only operators read, as an option, an entry of a configuration or a field that is sent.
fn is_withheld(name: &str) -> bool {
    let name = bare(name);
    match name.split_once('.') {
        Some((map, entry)) if same(map, FLINKS) => is_operators_entry(entry),
        Some((map, property)) if same(map, SPARKS) => is_operators_property(property),
        Some(("spark", _)) => is_operators_property(name),
        _ => name == EXPERIMENTS || is_operator_only(name),
    }
}

/// An entry of Flink's or Spark's own settings that only an operator may set, among options.
pub fn operators_entry(options: &Map<String, Value>) -> Option<&str> {
    let is_operators = |map: &str, key: &str| {
        (same(map, FLINKS) && is_operators_entry(key)) || (same(map, SPARKS) && is_operators_property(key))
    };
    let entries = options.iter().filter_map(|(map, value)| Some((map, value.as_object()?)));
    let mut keys = entries.flat_map(|(map, held)| held.keys().map(move |key| (map, key)));
    keys.find(|(map, key)| is_operators(map, key)).map(|(_, key)| key.as_str())
}

/// An option's name as a program writes it: job services write it longer.
fn bare(name: &str) -> &str {
    name.trim_start_matches("beam:option:").trim_end_matches(":v1")
}

/// Takes the values out of a document: of members, of arguments `--name=value`, of rows with `name` and `value`.
pub fn withhold(value: &mut Value) {
    match value {
        Value::Object(members) => withhold_members(members),
        Value::Array(items) => {
            items.iter_mut().for_each(withhold);
            withhold_arguments(items.iter_mut().filter_map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            }));
        }
        Value::String(text) => withhold_argument(text),
        _ => {}
    }
}

/// The same in a map of options.
pub fn withhold_members(members: &mut Map<String, Value>) {
    let row = members.get("name").and_then(Value::as_str).map(str::to_owned);
    let ours = members.get("from").is_some_and(|from| from == "product");
    for (name, value) in members {
        let of_row = !ours && matches!(name.as_str(), "value" | "note");
        withhold_value(row.as_deref().filter(|_| of_row).unwrap_or(name), value);
    }
}

/// The same in the value of a name.
fn withhold_value(name: &str, value: &mut Value) {
    match value {
        _ if is_withheld(name) => *value = WITHHELD.into(),
        Value::Object(entries) if same(bare(name), FLINKS) => withhold_entries(entries),
        _ => withhold(value),
    }
}

/// Flink's entries are known by where they stand alone.
fn withhold_entries(entries: &mut Map<String, Value>) {
    for (_, value) in entries.iter_mut().filter(|(key, _)| is_operators_entry(key)) {
        *value = WITHHELD.into();
    }
}

/// The same in the arguments of a program, where a value may follow its name as a word of its own.
pub fn withhold_arguments<'a>(arguments: impl IntoIterator<Item = &'a mut String>) {
    let mut is_value = false;
    for argument in arguments {
        let is_name = argument.starts_with('-');
        if is_value && !is_name {
            *argument = WITHHELD.into();
        }
        is_value = is_name && is_withheld(argument.trim_start_matches('-'));
        withhold_argument(argument);
    }
}

/// The same in one argument.
fn withhold_argument(argument: &mut String) {
    let Some((name, _)) = argument.split_once('=').filter(|(name, _)| name.starts_with('-')) else { return };
    if is_withheld(name.trim_start_matches('-')) {
        *argument = format!("{name}={WITHHELD}");
    }
}

impl ResolvedOption {
    /// The option without a value that only operators read.
    #[must_use]
    pub fn withheld(mut self) -> Self {
        if self.from == Provenance::Product {
            withhold(&mut self.value);
            return self;
        }
        if is_withheld(&self.name) {
            self.note.clear();
        }
        withhold_value(&self.name, &mut self.value);
        self
    }
}

impl PlannedCall {
    /// The call without values that only operators read.
    #[must_use]
    pub fn withheld(mut self) -> Self {
        withhold(&mut self.body);
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "tcp://inner:1";

    fn shown(mut value: Value) -> String {
        withhold(&mut value);
        value.to_string()
    }

    #[test]
    fn no_operators_option_of_beam_is_read_in_any_shape() {
        let vector = include_str!("../../../../tests/vectors/beam/options-2.77.0.json");
        let options: Value = serde_json::from_str(vector).unwrap();
        let named = |list: &str| options[list].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        let shapes = |name: &str| {
            [
                json!({"options": {name: [SECRET]}}),
                json!({"argv": ["a", format!("--{name}={SECRET}")]}),
                json!({"argv": [format!("--{name}"), SECRET, "--words"]}),
                json!([{"name": name, "value": {"deep": SECRET}, "from": "target", "note": SECRET}]),
                json!({"unbuilt": {format!("beam:option:{name}:v1"): SECRET}}),
            ]
        };
        for name in named("operator").chain(named("java_operator")) {
            for shape in shapes(&name) {
                let text = shown(shape);
                assert!(!text.contains(SECRET) && text.contains(&name), "{text}");
            }
        }
        for name in named("caller").chain(named("java_caller")) {
            for shape in shapes(&name) {
                assert_eq!(shown(shape.clone()), shape.to_string());
            }
        }
    }

    #[test]
    fn what_callers_may_not_set_of_flink_spark_and_dataflow_they_do_not_read() {
        let secret = [
            json!({"flinkConfiguration": {"s3.secret-key": SECRET}}),
            json!({"flink_configuration": {"s3.secret-key": SECRET}}),
            json!({"name": "flink_configuration.s3.secret-key", "value": SECRET, "from": "preset"}),
            json!({"sparkProperties": {"spark.hadoop.fs.s3a.secret.key": SECRET}}),
            json!({"name": "spark_configuration.spark.hadoop.fs.s3a.secret.key", "value": SECRET, "from": "target"}),
            json!({"environment": {"additionalExperiments": [SECRET], "serviceAccountEmail": SECRET}}),
            json!({"environment": {"additionalPipelineOptions": [format!("--pubsubRootUrl={SECRET}")]}}),
        ];
        for document in secret {
            assert!(!shown(document.clone()).contains(SECRET), "{document}");
        }
        let open = json!({"flinkConfiguration": {"restart-strategy.type": "none"}, "name": "words", "value": 1,
            "sparkProperties": {"spark.cores.max": "2", "spark.app.name": "words-ab", "spark.master": "spark://m:1"},
            "argv": ["-v", "--output=/a=b", "setup_file=x"]});
        assert_eq!(shown(open.clone()), open.to_string());
    }

    #[test]
    fn a_configuration_is_known_in_each_of_its_spellings() {
        let flinks = ["flink_configuration", "flink-configuration", "flinkConfiguration", "FlinkConfiguration"];
        let sparks = ["spark_configuration", "spark-configuration", "sparkConfiguration", "SparkConfiguration"];
        let secrets = flinks.map(|map| (map, "s3.secret-key")).into_iter();
        for (map, key) in secrets.chain(sparks.map(|map| (map, "spark.hadoop.fs.s3a.secret.key"))) {
            let named = format!("{map}.{key}");
            for document in [
                json!({"options": {map: {key: SECRET}}}),
                json!([{"name": map, "value": {key: SECRET}, "from": "target"}]),
                json!([{"name": named, "value": SECRET, "from": "target"}]),
            ] {
                assert!(!shown(document.clone()).contains(SECRET), "{document}");
            }
            let from = Provenance::Target;
            let option = ResolvedOption { name: map.into(), value: json!({key: SECRET}), from, note: String::new() };
            assert_eq!(option.withheld().value, json!({key: WITHHELD}), "{map}");
        }
    }

    #[test]
    fn an_argument_in_two_words_ends_at_the_next_name() {
        let open = json!(["--setup_file", "--output", "/a", "setup_file", "b", "-v", 1]);
        assert_eq!(shown(open.clone()), open.to_string());
        let mut arguments = ["--setup_file", SECRET, "words", "--setup_file"].map(String::from);
        withhold_arguments(&mut arguments);
        assert_eq!(arguments, ["--setup_file", WITHHELD, "words", "--setup_file"]);
    }

    #[test]
    fn an_option_keeps_its_name_and_where_it_comes_from() {
        let option = |from| ResolvedOption {
            name: "environment_config".into(),
            value: SECRET.into(),
            from,
            note: format!("sent as {SECRET}"),
        };
        let shown = option(Provenance::Target).withheld();
        let kept = (shown.name.as_str(), shown.value.as_str(), shown.from, shown.note.as_str());
        assert_eq!(kept, ("environment_config", Some(WITHHELD), Provenance::Target, ""));
        assert_eq!(option(Provenance::Product).withheld().value, SECRET, "what we set is no secret");
    }
}

//! Which calls end or replace a job.

use serde_json::{Map, Value};

use super::{Hints, Verb, create_job};
use crate::{config::Config, runner::options::same};

/// True for a call that ends or replaces a job; what a verb may do is not what each of its calls does.
pub(crate) fn ends(config: &Config, verb: &Verb, arguments: &Map<String, Value>) -> bool {
    let options = |key: &str| arguments.get(key).and_then(Value::as_object);
    match verb.name {
        "create_savepoint" => arguments.get("drain").is_some_and(|drain| *drain == true),
        "update_job" => options("update_options").is_some_and(|options| !options.is_empty()),
        "restore_job" => ["pipeline_options", "options"].into_iter().filter_map(options).any(updates),
        "create_job" => create_job::replaces(config, arguments),
        _ => verb.hints == Hints::Destructive,
    }
}

/// True where Beam's `update` is among the options, unless it is off.
fn updates(options: &Map<String, Value>) -> bool {
    options.iter().any(|(name, value)| same(name, "update") && !create_job::is_off(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verb::VERBS;

    fn ends(tool: &str, arguments: &Value) -> bool {
        let config = Config::from_json(
            &json!({"default_runner": "cloud", "targets": {"sim": {"runner": "simulator"}, "cloud": {"runner": "dataflow", "project": "acme-prod",
            "region": "us-central1", "presets": {"next": {"template_path": "gs://t/a", "options": {"update": true}}}}}}),
        );
        let verb = crate::verb::find(tool).unwrap();
        super::ends(&config.unwrap(), verb, arguments.as_object().unwrap())
    }

    /// Calls that end or replace a job; each verb with one, and no other, says so in its hints.
    #[test]
    fn a_verb_that_can_end_a_job_says_so_and_only_calls_that_do_are_asked_about() {
        let rows = [
            ("cancel_job", json!({}), None),
            ("create_savepoint", json!({"drain": true}), Some(json!({"drain": false}))),
            ("update_job", json!({"update_options": {"a": 1}}), Some(json!({"update_options": {}, "scaling": {}}))),
            ("restore_job", json!({"options": {"update": "true"}}), Some(json!({"options": {"updated": true}}))),
            ("create_job", json!({"options": {"update": true}}), Some(json!({"options": {"update": "False"}}))),
            (
                "create_job",
                json!({"context_id": "a", "preset": "next"}),
                Some(json!({"context_id": "a", "target": "sim"})),
            ),
            ("create_job", json!({"context_id": "a", "options": {"update": true}}), Some(json!({"context_id": "a"}))),
            ("create_job", json!({"preset": "next"}), Some(json!({"preset": "next", "options": {"update": false}}))),
        ];
        for (tool, ending, harmless) in &rows {
            assert!(ends(tool, ending), "{tool} {ending}");
            assert!(harmless.as_ref().is_none_or(|harmless| !ends(tool, harmless)), "{tool} {harmless:?}");
        }
        for verb in VERBS.iter().filter(|verb| verb.is_tool) {
            let listed = rows.iter().any(|(tool, ..)| *tool == verb.name);
            assert_eq!(verb.hints == Hints::Destructive, listed, "{}", verb.name);
        }
    }
}

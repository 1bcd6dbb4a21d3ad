//! Write verb × runner: a dry run shows the exact calls, what changes and what cannot be known, or the refusal says why
//! and what to do instead; neither changes anything. All of it is one golden text.

use std::fmt::Write as _;

use beam_mcp_core::{
    Error,
    verb::{Hints, VERBS},
};
use beam_mcp_tests::{golden, host::Scene};
use serde_json::{Value, json};

/// A target, a job for it, and the effect by which a submission leaves.
struct Runner {
    name: &'static str,
    target: Value,
    job: Value,
    sent: &'static str,
}

fn runners() -> [Runner; 6] {
    let runner = |name, target, job, sent| Runner { name, target, job, sent };
    let pool = json!({"environment_type": "EXTERNAL", "environment_config": "pool:50000"});
    [
        runner("here", json!({"runner": "direct"}), json!({"code_path": "examples/wordcount.py"}), "launch"),
        runner(
            "flink",
            json!({"runner": "flink", "url": "http://flink:8081", "savepoint_dir": "file:///srv/flink/savepoints"}),
            json!({"code_path": "jobs/ratejob.jar"}),
            "send POST /jars/…/run",
        ),
        runner("sim", json!({"runner": "simulator"}), json!({}), "commit job"),
        runner(
            "spark",
            json!({"runner": "spark", "url": "http://127.0.0.1:6066", "master_url": "http://127.0.0.1:8080",
                "jar_folder": "/srv/spark/shared"}),
            json!({"code_path": "jobs/sparkrate.jar"}),
            "send POST /v1/submissions/create",
        ),
        runner(
            "df",
            json!({"runner": "dataflow", "project": "acme-prod", "region": "us-central1"}),
            json!({"template_path": "gs://dataflow-templates/latest/Word_Count",
                "template_parameters": {"inputFile": "gs://acme/in", "output": "gs://acme/out"}}),
            "send POST /…/projects/acme-prod/locations/…/templates:launch",
        ),
        runner(
            "prism",
            json!({"runner": "portable", "url": "http://127.0.0.1:8073", "options": pool}),
            json!({"code_path": "examples/wordcount.py"}),
            "rpc Run",
        ),
    ]
}

impl Runner {
    fn scene(&self) -> Scene {
        Scene::new(&json!({"targets": {self.name: self.target}}))
    }

    fn create(&self) -> Value {
        let mut input = self.job.clone();
        input["target"] = self.name.into();
        input["name"] = "words".into();
        input["options"] = json!({"temp_location": "gs://acme/tmp", "parallelism": 2});
        input
    }

    fn running(&self) -> Scene {
        self.scene().after("create_job", &self.create())
    }

    fn ended(&self) -> Scene {
        let running = self.running();
        let input = json!({"job_id": running.answer["job_id"], "mode": "cancel"});
        running.after("cancel_job", &input)
    }

    /// After a submission of which nobody can say what became.
    fn unexplained(&self) -> Scene {
        self.scene().after_death_at(self.sent, "create_job", &self.create()).parked()
    }
}

/// Where a verb is asked.
#[derive(Clone, Copy)]
enum When {
    Fresh,
    Running,
    Ended,
    Unexplained,
}

/// Each write verb, with its input but for the job.
fn asked() -> Vec<(&'static str, When, Value)> {
    use When::{Ended, Fresh, Running, Unexplained};
    vec![
        ("create_job", Fresh, json!({})),
        ("restore_job", Ended, json!({"savepoint_path": "file:///srv/flink/savepoints/savepoint-1"})),
        ("update_job", Running, json!({"update_options": {"machine_type": "n2-standard-8"}})),
        ("update_job", Running, json!({"scaling": {"parallelism": 4}})),
        ("scale_job", Running, json!({"parallelism": 4})),
        ("create_savepoint", Running, json!({})),
        ("cancel_job", Running, json!({"mode": "cancel"})),
        ("cancel_job", Running, json!({"mode": "drain"})),
        ("cancel_job", Running, json!({"mode": "stop"})),
        ("cancel_job", Running, json!({"mode": "force"})),
        ("adopt_job", Unexplained, json!({"native_id": "6".repeat(32)})),
        ("abandon_job", Unexplained, json!({"reason": "not there since the restart"})),
        ("resubmit_job", Unexplained, json!({"reason": "not there since the restart"})),
    ]
}

/// Effects that change something outside.
const CHANGES: [&str; 9] =
    ["send POST", "send PUT", "send PATCH", "send DELETE", "launch", "signal", "rpc Prepare", "rpc Run", "rpc Cancel"];

fn cell(runner: &Runner, verb: &str, when: When, input: &Value) -> String {
    let scene = match when {
        When::Fresh => runner.scene(),
        When::Running => runner.running(),
        When::Ended => runner.ended(),
        When::Unexplained => runner.unexplained(),
    };
    let mut asked = input.clone();
    asked["dry_run"] = true.into();
    match when {
        When::Fresh => asked.as_object_mut().unwrap().extend(runner.create().as_object().unwrap().clone()),
        _ => asked["job_id"] = scene.answer["job_id"].clone(),
    }
    let (answer, effects) = scene.ask(verb, &asked);
    let what = format!("{verb} {input} on {}", runner.name);
    for effect in &effects {
        assert!(!CHANGES.iter().any(|change| effect.starts_with(change)), "{what} made {effect}");
        assert!(!effect.starts_with("commit") || !effect.contains("audit"), "{what} stored an intent: {effect}");
    }
    match answer {
        Ok(answer) => planned(&what, &answer["plan"]),
        Err(error) => refused(&what, &error),
    }
}

fn planned(what: &str, plan: &Value) -> String {
    let list = |name: &str| plan[name].as_array().unwrap_or_else(|| panic!("{what}: {plan}")).clone();
    assert_eq!(plan["digest"].as_str().map(str::len), Some(64), "{what}");
    for told in ["changes", "unknown"] {
        assert!(!list(told).is_empty(), "{what}: no {told}");
    }
    let mut text = format!("  {}\n", plan["summary"].as_str().unwrap());
    for call in list("calls") {
        assert!(!call["purpose"].as_str().unwrap().is_empty(), "{what}");
        writeln!(text, "  call     {} {}", call["call"].as_str().unwrap(), call["body"]).unwrap();
    }
    for option in list("options") {
        writeln!(text, "  option   {}={} from {}", option["name"].as_str().unwrap(), option["value"], option["from"])
            .unwrap();
    }
    for told in ["changes", "unknown"] {
        for line in list(told) {
            writeln!(text, "  {told:8} {}", line.as_str().unwrap()).unwrap();
        }
    }
    text
}

fn refused(what: &str, error: &Error) -> String {
    assert!(!error.suggestion().is_empty(), "{what}: {error:?}");
    format!("  refused  {}: {}\n           {}\n", error.reason(), error.message(), error.suggestion())
}

#[test]
fn a_dry_run_of_each_write_on_each_runner_is_as_reviewed() {
    let mut text = String::new();
    for (verb, when, input) in asked() {
        for runner in runners() {
            writeln!(text, "{verb} {input} on {}", runner.name).unwrap();
            text += &cell(&runner, verb, when, &input);
        }
    }
    golden::check("plan/dry-run.txt", &text);
}

#[test]
fn no_write_is_left_out() {
    // No runner is in them: their plans are tested with the catalogue (core, engine/tests/catalogue.rs).
    let of_no_runner =
        ["create_context", "update_context", "delete_context"].map(|name| (name, When::Fresh, Value::Null));
    let asked: Vec<_> = asked().into_iter().chain(of_no_runner).collect();
    for verb in VERBS.iter().filter(|verb| !matches!(verb.hints, Hints::Read)) {
        assert!(asked.iter().any(|(name, ..)| *name == verb.name), "{}", verb.name);
    }
}

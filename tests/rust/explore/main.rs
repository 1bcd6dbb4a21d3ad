//! Flows under every reply: golden graphs in `vectors/graph`, planted bugs in `planted`.

mod client;
mod direct;
mod flink;
mod planted;
mod retry;
mod simulator;
mod table;

use beam_mcp_tests::{
    explore::{Subject, explore},
    golden,
    host::Scene,
};
use serde_json::Value;

/// How a store that stays in trouble is met does not depend on the runner: the simulator's flows see to it.
const FEW: usize = 2;
/// A row is written anew eight times.
const CONFLICTS: usize = 8;

/// Explores a flow and compares its graph with the golden one.
fn hold(subject: &Subject, what: &str) {
    let began = std::time::Instant::now();
    let graph = match explore(subject) {
        Ok(graph) => graph,
        Err(violation) => panic!("{}: {violation}", subject.name),
    };
    println!("{}: {} scripts, longest {}, {:.1?}", subject.name, graph.scripts(), graph.longest(), began.elapsed());
    golden::check(&format!("graph/{}.txt", subject.name), &graph.text(what));
}

/// An input about the job of the scene's last answer.
fn with_id(scene: &Scene, input: &Value) -> Value {
    let mut input = input.clone();
    input["job_id"] = scene.answer["job_id"].clone();
    input
}

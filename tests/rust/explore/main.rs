//! Flows under every reply: golden graphs in `vectors/graph`, planted bugs in `planted`.

mod client;
mod dataflow;
mod direct;
mod flink;
mod planted;
mod portable;
mod retry;
mod simulator;
mod spark;
mod table;

use beam_mcp_tests::{
    explore::{Subject, explore_within},
    golden,
    host::Scene,
};
use serde_json::Value;

/// How a store that stays in trouble is met does not depend on the runner: the simulator's flows see to it.
const FEW: usize = 2;
/// A cancel goes on whatever its target answers, so each further trouble multiplies: Flink's shows them.
const ONCE: usize = 1;
/// A row is written anew eight times.
const CONFLICTS: usize = 8;

/// Explores a flow and compares its graph with the golden one. The first line that is new ends it, with its script; to
/// see them all, keep them (`UPDATE_GOLDEN=1`) and read the difference.
fn hold(subject: &Subject, what: &str) {
    let (began, kept) = (std::time::Instant::now(), format!("graph/{}.txt", subject.name));
    let graph = match explore_within(subject, golden::lines(&kept).as_ref()) {
        Ok(graph) => graph,
        Err(violation) => panic!("{}: {violation}", subject.name),
    };
    println!("{}: {} scripts, longest {}, {:.1?}", subject.name, graph.scripts(), graph.longest(), began.elapsed());
    golden::check(&kept, &graph.text(what));
}

/// An input about the job of the scene's last answer.
fn with_id(scene: &Scene, input: &Value) -> Value {
    let mut input = input.clone();
    input["job_id"] = scene.answer["job_id"].clone();
    input
}

//! Every flow under every reply: golden graphs in `vectors/graph`, planted bugs in `planted`.

mod client;
mod planted;
mod retry;

use beam_mcp_tests::{
    explore::{Subject, explore},
    golden,
};

/// Explores a flow and compares its graph with the golden one.
fn hold(subject: &Subject, what: &str) {
    let graph = match explore(subject) {
        Ok(graph) => graph,
        Err(violation) => panic!("{}: {violation}", subject.name),
    };
    println!("{}: {} scripts, longest {}", subject.name, graph.scripts(), graph.longest());
    golden::check(&format!("graph/{}.txt", subject.name), &graph.text(what));
}

//! Flow × runner: the golden graph of each, or why there is none. A verb or a runner without a row fails.

use std::{collections::BTreeSet, fs};

use beam_mcp_core::{config::RunnerKind, verb::VERBS};
use beam_mcp_tests::golden::vectors;

/// What covers a flow on a runner.
#[derive(Clone, Copy)]
enum Cell {
    /// These graphs.
    Graphs(&'static [&'static str]),
    /// Nothing, for this reason.
    None(&'static str),
}

use Cell::{Graphs, None as No};

const REFUSED: &str = "this runner refuses it before anything is stored";
const STORE_ONLY: &str = "reads the store alone: one graph for all runners, `list_jobs`";

/// Flow, and what covers it on Direct, Flink and the simulator.
const TABLE: &[(&str, Cell, Cell, Cell)] = &[
    (
        "list_runners",
        Graphs(&["direct_list_runners"]),
        Graphs(&["flink_list_runners"]),
        Graphs(&["simulator_list_runners"]),
    ),
    ("list_jobs", No(STORE_ONLY), No(STORE_ONLY), Graphs(&["list_jobs"])),
    ("get_job", Graphs(&["direct_get_job"]), Graphs(&["flink_get_job"]), Graphs(&["simulator_get_job"])),
    (
        "get_metrics",
        Graphs(&["direct_get_metrics"]),
        Graphs(&["flink_get_metrics"]),
        Graphs(&["simulator_get_metrics"]),
    ),
    ("get_logs", Graphs(&["direct_get_logs"]), Graphs(&["flink_get_logs"]), Graphs(&["simulator_get_logs"])),
    (
        "wait_for_change",
        Graphs(&["direct_wait_for_change"]),
        Graphs(&["flink_wait_for_change"]),
        Graphs(&["simulator_wait_for_change"]),
    ),
    (
        "create_job",
        Graphs(&["direct_create_job"]),
        Graphs(&["flink_create_job"]),
        Graphs(&["simulator_create_job", "simulator_lost_submission", "mcp_create_job"]),
    ),
    ("update_job", No(REFUSED), Graphs(&["flink_update_job"]), Graphs(&["simulator_update_job"])),
    ("scale_job", No(REFUSED), Graphs(&["flink_scale_job"]), Graphs(&["simulator_scale_job"])),
    ("create_savepoint", No(REFUSED), Graphs(&["flink_create_savepoint"]), Graphs(&["simulator_create_savepoint"])),
    ("restore_job", No(REFUSED), Graphs(&["flink_restore_job"]), Graphs(&["simulator_restore_job"])),
    (
        "cancel_job",
        Graphs(&["direct_cancel_job", "direct_cancel_job_force"]),
        Graphs(&["flink_cancel_job", "flink_cancel_job_drain", "flink_cancel_job_stop"]),
        Graphs(&["simulator_cancel_job", "simulator_cancel_job_drain", "simulator_cancel_job_stop", "rest_cancel_job"]),
    ),
    (
        "get_operation",
        No("the only operation of Direct is a cancel, driven as in `direct_cancel_job`"),
        Graphs(&["flink_get_operation"]),
        Graphs(&["simulator_get_operation"]),
    ),
    (
        "adopt_job",
        No("a child is known by its folder, which nobody else makes"),
        Graphs(&["flink_adopt_job"]),
        No("scripted clusters show only what was submitted to them"),
    ),
    (
        "abandon_job",
        No("a child that left no trace was never let go, and is started anew"),
        Graphs(&["flink_abandon_job"]),
        Graphs(&["simulator_abandon_job"]),
    ),
    (
        "resubmit_job",
        No("a child that left no trace was never let go, and is started anew"),
        Graphs(&["flink_resubmit_job"]),
        Graphs(&["simulator_resubmit_job"]),
    ),
    (
        "tick",
        Graphs(&["direct_tick_held", "direct_tick_running"]),
        Graphs(&["flink_tick_running", "flink_tick_submission", "flink_tick_operation"]),
        Graphs(&["simulator_tick"]),
    ),
];

/// Runners without any graph.
const NOT_EXPLORED: &[(&str, &str)] = &[
    ("dataflow", "GAP: the explored host has no Dataflow yet; the runner is tested against the emulated service"),
    ("portable", "GAP: the explored host has no job service yet; the runner is tested against real ones"),
    ("spark", "GAP: the explored host has no Spark yet; the runner is tested against real clusters"),
];

/// Graphs of what is no verb of an engine.
const OTHERS: &[&str] = &["retry", "client_get_job", "client_cancel_job"];

fn cell(flow: &str, runner: &str) -> Option<Cell> {
    if let Some((_, why)) = NOT_EXPLORED.iter().find(|(name, _)| *name == runner) {
        return Some(No(why));
    }
    let (_, direct, flink, simulator) = TABLE.iter().find(|(name, ..)| *name == flow)?;
    match runner {
        "direct" => Some(*direct),
        "flink" => Some(*flink),
        "simulator" => Some(*simulator),
        _ => None,
    }
}

#[test]
fn every_flow_has_a_graph_on_every_runner_or_a_reason() {
    let mut known: BTreeSet<String> = OTHERS.iter().map(ToString::to_string).collect();
    for flow in VERBS.iter().map(|verb| verb.name).chain(["tick"]) {
        for runner in RunnerKind::ALL.map(RunnerKind::as_str) {
            match cell(flow, runner) {
                Some(Graphs(names)) => known.extend(names.iter().map(ToString::to_string)),
                Some(No(why)) => assert!(!why.is_empty()),
                None => panic!("{flow} on {runner} has neither a graph nor a reason"),
            }
        }
    }
    let folder = fs::read_dir(vectors().join("graph")).expect("the folder of graphs");
    let file =
        |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string().expect("a name");
    let kept: BTreeSet<String> =
        folder.map(file).filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned())).collect();
    assert_eq!(kept, known, "graphs that are kept, and graphs the table names");
}

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
const CATALOGUE: &str = "no runner is asked: a read of the store, and one commit";
const CHILD: &str = "a child that left no trace was never let go, and is started anew";
const MARKED: &str = "as on Spark, whose jobs are known by a marker too: `spark_resubmit_job`";
const NAMED: &str = "as on Flink, where a second submission is the first too: `flink_resubmit_job`";
const SAID: &str =
    "what an operator says is a look, as in this runner's `get_job`, and a commit, as in the graph on Flink";

/// Flow, and what covers it on Direct, Flink, the simulator, Spark, Dataflow and a job service.
const TABLE: &[(&str, [Cell; 6])] = &[
    (
        "list_runners",
        [
            Graphs(&["direct_list_runners"]),
            Graphs(&["flink_list_runners"]),
            Graphs(&["simulator_list_runners"]),
            Graphs(&["spark_list_runners"]),
            Graphs(&["dataflow_list_runners"]),
            Graphs(&["portable_list_runners"]),
        ],
    ),
    (
        "list_jobs",
        [No(STORE_ONLY), No(STORE_ONLY), Graphs(&["list_jobs"]), No(STORE_ONLY), No(STORE_ONLY), No(STORE_ONLY)],
    ),
    (
        "get_job",
        [
            Graphs(&["direct_get_job"]),
            Graphs(&["flink_get_job"]),
            Graphs(&["simulator_get_job"]),
            Graphs(&["spark_get_job"]),
            Graphs(&["dataflow_get_job"]),
            Graphs(&["portable_get_job"]),
        ],
    ),
    (
        "get_metrics",
        [
            Graphs(&["direct_get_metrics"]),
            Graphs(&["flink_get_metrics"]),
            Graphs(&["simulator_get_metrics"]),
            Graphs(&["spark_get_metrics"]),
            Graphs(&["dataflow_get_metrics"]),
            Graphs(&["portable_get_metrics"]),
        ],
    ),
    (
        "get_logs",
        [
            Graphs(&["direct_get_logs"]),
            Graphs(&["flink_get_logs"]),
            Graphs(&["simulator_get_logs"]),
            Graphs(&["spark_get_logs"]),
            Graphs(&["dataflow_get_logs"]),
            Graphs(&["portable_get_logs"]),
        ],
    ),
    (
        "get_graph",
        [
            No("this runner refuses it after the look that `direct_get_job` is"),
            No("the look that `flink_get_job` is, then one read of the same request"),
            No("the look that `simulator_get_job` is, and no call of its own"),
            No("the calls of `spark_get_metrics` without those for executors"),
            No("the look that `dataflow_get_job` is, then reads one after the other"),
            No("this runner refuses it after the look that `portable_get_job` is"),
        ],
    ),
    (
        "get_checkpoints",
        [
            No("this runner refuses it after the look that `direct_get_job` is"),
            No("the look that `flink_get_job` is, then the read of checkpoints that the look makes too"),
            No("the look that `simulator_get_job` is, and no call of its own"),
            No("this runner refuses it after the look that `spark_get_job` is"),
            No("this runner refuses it after the look that `dataflow_get_job` is"),
            No("this runner refuses it after the look that `portable_get_job` is"),
        ],
    ),
    (
        "wait_for_change",
        [
            Graphs(&["direct_wait_for_change"]),
            Graphs(&["flink_wait_for_change"]),
            Graphs(&["simulator_wait_for_change"]),
            Graphs(&["spark_wait_for_change"]),
            Graphs(&["dataflow_wait_for_change"]),
            Graphs(&["portable_wait_for_change"]),
        ],
    ),
    (
        "create_job",
        [
            Graphs(&["direct_create_job"]),
            Graphs(&["flink_create_job"]),
            Graphs(&["simulator_create_job", "simulator_lost_submission", "mcp_create_job"]),
            Graphs(&["spark_create_job"]),
            Graphs(&["dataflow_create_job"]),
            Graphs(&["portable_create_job"]),
        ],
    ),
    (
        "update_job",
        [
            No(REFUSED),
            Graphs(&["flink_update_job"]),
            Graphs(&["simulator_update_job"]),
            No(REFUSED),
            No("an update of a job's bounds is a scale: `dataflow_scale_job`"),
            No(REFUSED),
        ],
    ),
    (
        "scale_job",
        [
            No(REFUSED),
            Graphs(&["flink_scale_job"]),
            Graphs(&["simulator_scale_job"]),
            No(REFUSED),
            Graphs(&["dataflow_scale_job"]),
            No(REFUSED),
        ],
    ),
    (
        "create_savepoint",
        [
            No(REFUSED),
            Graphs(&["flink_create_savepoint"]),
            Graphs(&["simulator_create_savepoint"]),
            No(REFUSED),
            Graphs(&["dataflow_create_savepoint"]),
            No(REFUSED),
        ],
    ),
    (
        "restore_job",
        [
            No(REFUSED),
            Graphs(&["flink_restore_job"]),
            Graphs(&["simulator_restore_job"]),
            No(REFUSED),
            No("a launch as in `dataflow_create_job`, with one read of the snapshot before it is stored"),
            No(REFUSED),
        ],
    ),
    (
        "cancel_job",
        [
            Graphs(&["direct_cancel_job", "direct_cancel_job_force"]),
            Graphs(&["flink_cancel_job", "flink_cancel_job_drain", "flink_cancel_job_stop"]),
            Graphs(&[
                "simulator_cancel_job",
                "simulator_cancel_job_drain",
                "simulator_cancel_job_stop",
                "rest_cancel_job",
            ]),
            Graphs(&["spark_cancel_job"]),
            Graphs(&["dataflow_cancel_job", "dataflow_cancel_job_drain"]),
            Graphs(&["portable_cancel_job"]),
        ],
    ),
    (
        "get_operation",
        [
            No("the only operation of Direct is a cancel, driven as in `direct_cancel_job`"),
            Graphs(&["flink_get_operation"]),
            Graphs(&["simulator_get_operation"]),
            Graphs(&["spark_get_operation"]),
            Graphs(&["dataflow_get_operation"]),
            Graphs(&["portable_get_operation"]),
        ],
    ),
    (
        "adopt_job",
        [
            No("a child is known by its folder, which nobody else makes"),
            Graphs(&["flink_adopt_job"]),
            No("scripted clusters show only what was submitted to them"),
            No(SAID),
            No(SAID),
            No(SAID),
        ],
    ),
    (
        "abandon_job",
        [No(CHILD), Graphs(&["flink_abandon_job"]), Graphs(&["simulator_abandon_job"]), No(SAID), No(SAID), No(SAID)],
    ),
    (
        "resubmit_job",
        [
            No(CHILD),
            Graphs(&["flink_resubmit_job"]),
            Graphs(&["simulator_resubmit_job"]),
            Graphs(&["spark_resubmit_job"]),
            No(NAMED),
            No(MARKED),
        ],
    ),
    ("list_contexts", [No(CATALOGUE); 6]),
    ("get_context", [No(CATALOGUE); 6]),
    ("create_context", [No(CATALOGUE); 6]),
    ("update_context", [No(CATALOGUE); 6]),
    ("delete_context", [No(CATALOGUE); 6]),
    (
        "tick",
        [
            Graphs(&["direct_tick_held", "direct_tick_running"]),
            Graphs(&["flink_tick_running", "flink_tick_submission", "flink_tick_operation"]),
            Graphs(&["simulator_tick"]),
            Graphs(&["spark_tick_running", "spark_tick_submission"]),
            Graphs(&["dataflow_tick_running", "dataflow_tick_submission"]),
            Graphs(&["portable_tick_running", "portable_tick_submission"]),
        ],
    ),
];

/// Graphs of what is no verb of an engine.
const OTHERS: &[&str] = &["retry", "client_get_job", "client_cancel_job"];

const RUNNERS: [&str; 6] = ["direct", "flink", "simulator", "spark", "dataflow", "portable"];

fn cell(flow: &str, runner: &str) -> Option<Cell> {
    let (_, cells) = TABLE.iter().find(|(name, _)| *name == flow)?;
    RUNNERS.iter().zip(cells).find(|(name, _)| **name == runner).map(|(_, cell)| *cell)
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

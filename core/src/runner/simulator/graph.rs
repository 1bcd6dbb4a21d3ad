//! The stages of a scripted job: one that parses what it reads, writes it, and counts it.

use super::course::{Course, PENDING_MS};
use crate::job::{Graph, Job, JobState, Stage};

/// Parsed records behind one count.
const COUNTED: u64 = 100;

/// The graph of a job that has lived so long.
pub(super) fn of(course: &Course, job: &Job, at_ms: u64) -> Graph {
    let (arrived, processed) = (course.arrived(at_ms), course.processed(at_ms));
    let counts = processed / COUNTED;
    let stages = [
        ("read", "ReadEvents", &[][..], None, Some(arrived)),
        ("parse", "ParseEvents", &["read"], Some(processed), Some(processed)),
        ("write", "WriteEvents", &["parse"], Some(processed), None),
        ("count", "CountEvents", &["parse"], Some(processed), Some(counts)),
        ("report", "WriteCounts", &["count"], Some(counts), None),
    ];
    let state = state(course, job, at_ms);
    let stages = stages.into_iter().map(|(id, name, inputs, records_in, records_out)| Stage {
        id: id.into(),
        name: name.into(),
        inputs: inputs.iter().map(|id| (*id).to_owned()).collect(),
        state: Some(state.as_str().into()),
        parallelism: Some(job.parallelism.unwrap_or(course.plot.parallelism)),
        records_in,
        records_out,
        duration_ms: Some(at_ms.saturating_sub(PENDING_MS)),
        ..Stage::default()
    });
    Graph::new(stages.collect(), vec!["simulated: computed from the script, in simulated time; no stage runs".into()])
}

fn state(course: &Course, job: &Job, at_ms: u64) -> JobState {
    if job.state.is_terminal() { job.state } else { course.state(at_ms) }
}

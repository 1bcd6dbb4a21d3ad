//! The graph of a job: its vertices and what feeds each, in one call.

use super::{
    Flink,
    flow::NAME_BYTES,
    job_details::{JobDetails, Vertex},
    metrics::incomplete_notes,
    response::finite,
};
use crate::{
    error::Error,
    job::{Graph, Job, Stage},
    text::clean_line,
};

impl Flink {
    pub(super) async fn job_graph(&self, job: &Job) -> Result<Graph, Error> {
        let (details, _) = self.details(job, Vec::new()).await?;
        let stages = details.vertices.iter().map(|vertex| stage(&details, vertex)).collect();
        Ok(Graph::new(stages, incomplete_notes(&details).collect()))
    }
}

fn stage(details: &JobDetails, vertex: &Vertex) -> Stage {
    let node = details.plan.nodes.iter().find(|node| node.id == vertex.id);
    let io = &vertex.metrics;
    Stage {
        id: clean_line(&vertex.id, NAME_BYTES),
        name: clean_line(&vertex.name, NAME_BYTES),
        inputs: node.into_iter().flat_map(|node| &node.inputs).map(|input| clean_line(&input.id, NAME_BYTES)).collect(),
        state: Some(clean_line(&vertex.status, NAME_BYTES)).filter(|word| !word.is_empty()),
        parallelism: u32::try_from(vertex.parallelism).ok().filter(|tasks| *tasks > 0),
        tasks: vertex.tasks.iter().filter_map(|(word, count)| counted(word, *count)).collect(),
        records_in: whole(finite(&io.read_records)),
        records_out: whole(finite(&io.write_records)),
        bytes_in: whole(finite(&io.read_bytes)),
        bytes_out: whole(finite(&io.write_bytes)),
        duration_ms: u64::try_from(vertex.duration).ok(),
        progress: None,
    }
}

fn counted(word: &str, count: i64) -> Option<(String, u64)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    Some((clean_line(word, NAME_BYTES), count))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and not negative")]
fn whole(number: Option<f64>) -> Option<u64> {
    number.filter(|number| *number >= 0.0).map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use crate::{
        effect::Reply,
        job::Graph,
        runner::{
            Backend,
            flink::testing::{job, json, play, recorded, target},
        },
    };

    fn graph(details: Reply) -> Graph {
        play(target(), vec![("GET /jobs/{id}", details)], |flink| async move { flink.graph(&job()).await }).end.unwrap()
    }

    #[test]
    fn vertices_are_stages_and_say_what_feeds_them() {
        let graph = graph(recorded!("2.2.1/job-running"));
        let [source, count] = graph.stages.as_slice() else { panic!("{graph:?}") };
        assert_eq!((source.name.as_str(), source.inputs.len()), ("Source: numbers -> throttle", 0));
        assert_eq!(count.inputs, [source.id.as_str()]);
        assert_eq!((count.state.as_deref(), count.parallelism), (Some("RUNNING"), Some(2)));
        assert_eq!((count.tasks.get("RUNNING"), count.tasks.len()), (Some(&2), 1));
        assert_eq!((count.records_in, count.duration_ms), (Some(0), Some(4089)));
    }

    #[test]
    fn a_number_flink_does_not_have_is_left_out() {
        let vertex = serde_json::json!({"id": "v", "name": "a\u{1b}[31m\nb", "parallelism": -1, "duration": -1,
            "metrics": {"read-records": "NaN", "write-records": 7, "write-records-complete": false}});
        let details = serde_json::json!({"jid": crate::runner::flink::testing::TOKEN, "name": "x", "state": "RUNNING",
            "start-time": 1, "end-time": -1, "vertices": [vertex]});
        let graph = graph(json(200, details));
        let stage = &graph.stages[0];
        assert_eq!((stage.name.as_str(), stage.state.as_deref()), ("a b", None));
        assert_eq!(
            (stage.records_in, stage.records_out, stage.duration_ms, stage.parallelism),
            (None, Some(7), None, None)
        );
        assert!(graph.notes[0].contains("too low"), "{:?}", graph.notes);
    }
}

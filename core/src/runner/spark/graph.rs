//! The stages of an application. Spark's REST API does not tell which stage feeds which.

use super::{Spark, application::Source, flow::NAME_BYTES, request::Facts, response, stage};
use crate::{
    error::Error,
    job::{Graph, Job, Stage},
    text::clean_line,
};

const UNLINKED: &str = "Spark does not say which stage feeds which: they are in the order of their numbers";

impl Spark {
    pub(super) async fn job_graph(&self, job: &Job) -> Result<Graph, Error> {
        let Some(id) = self.find_driver(job).await? else {
            return Err(Error::not_found("driver_not_found", "the master shows no driver of this job"));
        };
        let master = self.master().await?;
        let Some(app) = self.application(&master, job, &id).await? else {
            return Ok(Graph::new(vec![], vec!["the driver has no application (yet): there are no stages".into()]));
        };
        let source = self.source(&master, &app).await?;
        let request = self.facts_request(&source, &app, Facts::Stages);
        Ok(graph(&source, self.read(request, response::read::<Vec<stage::Stage>>).await?))
    }
}

fn graph(source: &Source, mut attempts: Vec<stage::Stage>) -> Graph {
    // The last attempt of each stage is the one that counts.
    attempts.sort_by_key(|stage| (stage.id, std::cmp::Reverse(stage.attempt)));
    attempts.dedup_by_key(|stage| stage.id);
    let notes = vec![UNLINKED.into(), format!("read from {}; counts are of finished tasks", source.name())];
    Graph::new(attempts.iter().map(of).collect(), notes)
}

fn of(stage: &stage::Stage) -> Stage {
    let tasks = [
        ("active", stage.num_active_tasks),
        ("complete", stage.num_complete_tasks),
        ("failed", stage.num_failed_tasks),
    ];
    Stage {
        id: stage.id.to_string(),
        name: clean_line(&stage.name, NAME_BYTES),
        state: Some(clean_line(&stage.status, NAME_BYTES)),
        parallelism: u32::try_from(stage.num_tasks).ok().filter(|tasks| *tasks > 0),
        tasks: tasks
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| (word.to_owned(), count))
            .collect(),
        records_in: Some(stage.input_records.saturating_add(stage.shuffle_read_records)),
        records_out: Some(stage.output_records.saturating_add(stage.shuffle_write_records)),
        bytes_in: Some(stage.input_bytes.saturating_add(stage.shuffle_read_bytes)),
        bytes_out: Some(stage.output_bytes.saturating_add(stage.shuffle_write_bytes)),
        ..Stage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::spark::testing::recorded;

    fn read(reply: crate::effect::Reply) -> Graph {
        let crate::effect::Reply::Response(answer) = reply else { panic!("no answer") };
        graph(&Source::History, response::read(&answer).unwrap())
    }

    #[test]
    fn stages_come_in_the_order_of_their_numbers() {
        let graph = read(recorded!("3.5.9/history-stages-beam"));
        let ids: Vec<u64> = graph.stages.iter().map(|stage| stage.id.parse().unwrap()).collect();
        assert!(ids.is_sorted() && ids.len() > 1, "{ids:?}");
        assert!(graph.stages.iter().any(|stage| stage.records_out.is_some_and(|count| count > 0)), "{graph:?}");
        assert_eq!(graph.notes[0], UNLINKED);
    }

    #[test]
    fn the_last_attempt_of_a_stage_counts() {
        let attempt =
            |attempt, status: &str| stage::Stage { id: 3, attempt, status: status.into(), ..Default::default() };
        let graph = graph(&Source::History, vec![attempt(0, "FAILED"), attempt(1, "COMPLETE")]);
        assert_eq!((graph.stages.len(), graph.stages[0].state.as_deref()), (1, Some("COMPLETE")));
    }
}

//! The stages of a job as Dataflow fused it: what it is made of from the job's description, how far it is and who works
//! on it from its execution details.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Dataflow, flow::native_id, request, response};
use crate::{
    clock::unix_ms,
    error::Error,
    job::{Graph, Job, Stage},
    text::clean_line,
};

/// Longest name that is kept.
const NAME_BYTES: usize = 256;
/// Stages that run of which the workers are asked for.
const MOST_WATCHED: usize = 8;
const NO_WORKERS: &str = "the workers of some stages could not be read";
const NO_DESCRIPTION: &str = "Dataflow has not described the job's stages (yet): only those that began are shown";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Described {
    pipeline_description: Description,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Description {
    execution_pipeline_stage: Vec<Fused>,
}

/// `ExecutionStageSummary`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fused {
    id: String,
    name: String,
    component_transform: Vec<Named>,
    input_source: Vec<Named>,
    output_source: Vec<Named>,
    prerequisite_stage: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    name: String,
    user_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Execution {
    stages: Vec<Summary>,
}

/// `StageSummary`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Summary {
    stage_id: String,
    state: String,
    start_time: String,
    end_time: String,
    progress: Value,
    #[serde(skip)]
    workers: Vec<Worker>,
}

/// `StageExecutionDetails`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Watched {
    workers: Vec<Worker>,
}

/// `WorkerDetails`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Worker {
    work_items: Vec<WorkItem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WorkItem {
    state: String,
}

impl Dataflow {
    pub(super) async fn job_graph(&self, job: &Job) -> Result<Graph, Error> {
        let (target, id) = (&self.context.target, native_id(job)?);
        let described = self.read(request::job_request(target, id, true), response::read::<Described>).await?;
        let execution = self.read(request::execution_request(target, id), response::read::<Execution>).await?;
        let mut began = execution.stages;
        let note = self.watch(id, &mut began).await?;
        let fused = described.pipeline_description.execution_pipeline_stage;
        let mut graph = graph(&fused, began, self.context.io.now().wall_ms);
        graph.notes.extend(note.map(str::to_owned));
        Ok(graph)
    }

    /// Adds the workers of the stages that run; what cannot be read of them is told.
    async fn watch(&self, id: &str, began: &mut [Summary]) -> Result<Option<&'static str>, Error> {
        let running = began.iter_mut().filter(|stage| stage.state == "EXECUTION_STATE_RUNNING").take(MOST_WATCHED);
        let running: Vec<&mut Summary> = running.collect();
        let ask = |stage: &&mut Summary| request::stage_request(&self.context.target, id, &stage.stage_id);
        let answers = match self.context.send_all(running.iter().map(ask).collect()).await {
            Err(error) if error.gave_up() => return Err(error),
            Err(_) => return Ok(Some(NO_WORKERS)),
            Ok(answers) => answers,
        };
        let mut note = None;
        for (stage, answer) in running.into_iter().zip(answers) {
            match answer.and_then(|answer| response::read::<Watched>(&answer)) {
                Ok(watched) => stage.workers = watched.workers,
                Err(_) => note = Some(NO_WORKERS),
            }
        }
        Ok(note)
    }
}

fn graph(fused: &[Fused], began: Vec<Summary>, now_ms: u64) -> Graph {
    let notes = if fused.is_empty() { vec![NO_DESCRIPTION.to_owned()] } else { Vec::new() };
    let feeds = Feeds::of(fused);
    let mut began: BTreeMap<String, Summary> = began.into_iter().map(|one| (one.stage_id.clone(), one)).collect();
    let described: Vec<Stage> = fused
        .iter()
        .map(|one| {
            let summary = began.remove(&one.name).or_else(|| began.remove(&one.id)).unwrap_or_default();
            Stage { name: named(one), inputs: feeds.of_stage(one), ..stage(&one.id, &summary, now_ms) }
        })
        .collect();
    let others = began.iter().map(|(id, summary)| stage(id, summary, now_ms));
    Graph::new(described.into_iter().chain(others).collect(), notes)
}

fn stage(id: &str, summary: &Summary, now_ms: u64) -> Stage {
    let end = unix_ms(&summary.end_time).unwrap_or(now_ms);
    let mut tasks = BTreeMap::new();
    for item in summary.workers.iter().flat_map(|worker| &worker.work_items) {
        *tasks.entry(clean_line(&item.state, NAME_BYTES)).or_default() += 1;
    }
    Stage {
        id: clean_line(id, NAME_BYTES),
        name: clean_line(id, NAME_BYTES),
        state: Some(clean_line(&summary.state, NAME_BYTES)).filter(|word| !word.is_empty()),
        duration_ms: unix_ms(&summary.start_time).map(|start| end.saturating_sub(start)),
        parallelism: u32::try_from(summary.workers.len()).ok().filter(|workers| *workers > 0),
        tasks,
        progress: summary.progress.get("currentProgress").and_then(Value::as_f64),
        ..Stage::default()
    }
}

/// Its number and the first of the steps in it.
fn named(fused: &Fused) -> String {
    let name = if fused.name.is_empty() { &fused.id } else { &fused.name };
    let told = match fused.component_transform.as_slice() {
        [] => name.clone(),
        [only] => format!("{name}: {}", only.user_name),
        [first, others @ ..] => format!("{name}: {} +{}", first.user_name, others.len()),
    };
    clean_line(&told, NAME_BYTES)
}

/// What feeds what: places of stages by their ids and by what they write.
struct Feeds<'a> {
    all: &'a [Fused],
    ids: BTreeMap<&'a str, usize>,
    writers: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Feeds<'a> {
    fn of(all: &'a [Fused]) -> Self {
        let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, stage) in all.iter().enumerate() {
            for output in &stage.output_source {
                writers.entry(&output.name).or_default().push(place);
            }
        }
        let ids = all.iter().enumerate().map(|(place, stage)| (stage.id.as_str(), place)).collect();
        Self { all, ids, writers }
    }

    /// Stages that must end before it, and those whose output it reads.
    fn of_stage(&self, stage: &Fused) -> Vec<String> {
        let read = stage.input_source.iter().filter_map(|source| self.writers.get(source.name.as_str())).flatten();
        let before = stage.prerequisite_stage.iter().filter_map(|id| self.ids.get(id.as_str()));
        let places: BTreeSet<usize> = read.chain(before).copied().collect();
        places.into_iter().filter_map(|place| self.all.get(place)).map(|one| clean_line(&one.id, NAME_BYTES)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::{
        Backend,
        dataflow::testing::{answer, job, play, target},
    };

    fn read(described: Value, execution: Value) -> Graph {
        let script = vec![
            ("GET jobs/{id}?view=JOB_VIEW_ALL", answer(200, described)),
            ("GET jobs/{id}/executionDetails?pageSize=200", answer(200, execution)),
        ];
        play(target(), script, |it| async move { it.graph(&job()).await }).end.unwrap()
    }

    #[test]
    fn what_is_described_and_how_far_it_is_are_one_graph() {
        let described = json!({"id": "x", "pipelineDescription": {"executionPipelineStage": [
            {"id": "S01", "name": "F1", "componentTransform": [{"userName": "Read"}, {"userName": "Parse"}],
                "outputSource": [{"name": "pc1"}]},
            {"id": "S02", "name": "F2", "componentTransform": [{"userName": "Write"}],
                "inputSource": [{"name": "pc1"}]},
            {"id": "S03", "name": "F3", "prerequisiteStage": ["S02"]}]}});
        let execution = json!({"stages": [{"stageId": "F1", "state": "EXECUTION_STATE_SUCCEEDED",
            "progress": {"currentProgress": 1.0}, "startTime": "2026-11-25T20:00:00Z", "endTime": "2026-11-25T20:00:09Z"}]});
        let graph = read(described, execution);
        let told: Vec<(&str, Vec<&str>)> = graph
            .stages
            .iter()
            .map(|stage| (stage.name.as_str(), stage.inputs.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(told, [("F1: Read +1", vec![]), ("F2: Write", vec!["S01"]), ("F3", vec!["S02"])]);
        let first = &graph.stages[0];
        assert_eq!((first.progress, first.duration_ms), (Some(1.0), Some(9_000)));
        assert_eq!((first.state.as_deref(), &graph.stages[1].state), (Some("EXECUTION_STATE_SUCCEEDED"), &None));
        assert!(graph.notes.is_empty());
    }

    #[test]
    fn a_stage_that_runs_tells_who_works_on_it() {
        let stages = || json!({"stages": [{"stageId": "F1", "state": "EXECUTION_STATE_RUNNING"}, {"stageId": "F2"}]});
        let item = |word: &str| json!({"taskId": "t", "state": format!("EXECUTION_STATE_{word}")});
        let workers = json!({"workers": [
            {"workerName": "w-0", "workItems": [item("RUNNING"), item("SUCCEEDED")]},
            {"workerName": "w-1", "workItems": [item("RUNNING")]}]});
        for (reply, parallelism, note) in [
            (answer(200, &workers), Some(2), None),
            (answer(503, json!({})), None, Some(NO_WORKERS)),
            (answer(200, json!({})), None, None),
        ] {
            let script = vec![
                ("GET jobs/{id}?view=JOB_VIEW_ALL", answer(200, json!({"id": "x"}))),
                ("GET jobs/{id}/executionDetails?pageSize=200", answer(200, stages())),
                ("GET jobs/{id}/stages/F1/executionDetails?pageSize=200", reply),
            ];
            let graph = play(target(), script, |it| async move { it.graph(&job()).await }).end.unwrap();
            let tasks: Vec<_> = graph.stages[0].tasks.iter().map(|(word, count)| (word.as_str(), *count)).collect();
            let counted = [("EXECUTION_STATE_RUNNING", 2), ("EXECUTION_STATE_SUCCEEDED", 1)];
            assert_eq!((graph.stages[0].parallelism, graph.notes.get(1).map(String::as_str)), (parallelism, note));
            assert_eq!(tasks, if parallelism.is_some() { counted.to_vec() } else { vec![] });
        }
    }

    #[test]
    fn without_a_description_the_stages_that_began_are_told() {
        let graph =
            read(json!({"id": "x"}), json!({"stages": [{"stageId": "F1", "state": "EXECUTION_STATE_SUCCEEDED"}]}));
        assert_eq!((graph.stages[0].id.as_str(), graph.notes[0].as_str()), ("F1", NO_DESCRIPTION));
        assert_eq!(read(json!({}), json!({})).stages, []);
    }
}

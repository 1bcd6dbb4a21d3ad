use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Most stages of a graph.
pub(crate) const MOST_STAGES: usize = 200;

/// The stages of a job as its runner shows them, and which feeds which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Graph {
    /// The stages, in the runner's order; at most 200.
    pub stages: Vec<Stage>,
    /// What a reader should know, for instance that the runner does not say which stage feeds which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What runs together: a vertex of Flink, a stage of Spark or Dataflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Stage {
    /// The runner's id.
    pub id: String,
    /// Its name: cleaned text of the pipeline.
    pub name: String,
    /// Ids of the stages that feed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The runner's own word for its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Tasks it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// Number of tasks by the runner's word for their state; none that is zero.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, u64>,
    /// Records it read, as far as the runner counts them (Flink: from other stages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_in: Option<u64>,
    /// Records it wrote, likewise (Flink: for other stages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_out: Option<u64>,
    /// Bytes it read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Bytes it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// Milliseconds since its start, until its end or now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How much of its work is done, 0 to 1, where the runner estimates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
}

impl Graph {
    /// A graph within its bound, whose inputs all name a stage of it.
    pub(crate) fn new(mut stages: Vec<Stage>, mut notes: Vec<String>) -> Self {
        if stages.len() > MOST_STAGES {
            notes.push(format!("only the first {MOST_STAGES} of {} stages are shown", stages.len()));
            stages.truncate(MOST_STAGES);
        }
        let known: BTreeSet<String> = stages.iter().map(|stage| stage.id.clone()).collect();
        for stage in &mut stages {
            let own = stage.id.clone();
            stage.inputs.sort_unstable();
            stage.inputs.dedup();
            stage.inputs.retain(|input| known.contains(input) && *input != own);
        }
        Self { stages, notes }
    }

    /// Places of the stages within these, in layers: a stage comes after all that feed it.
    pub(super) fn layers(&self) -> Vec<Vec<usize>> {
        let depths = self.depths();
        let mut layers = vec![Vec::new(); depths.iter().max().map_or(0, |deepest| deepest + 1)];
        for (place, depth) in depths.into_iter().enumerate() {
            layers.get_mut(depth).into_iter().for_each(|layer| layer.push(place));
        }
        layers
    }

    /// Length of the longest way to each stage. A ring, which no runner shows, ends where it was entered.
    fn depths(&self) -> Vec<usize> {
        let places: BTreeMap<&str, usize> =
            self.stages.iter().enumerate().map(|(place, stage)| (stage.id.as_str(), place)).collect();
        let mut depths = vec![0; self.stages.len()];
        for _ in 0..self.stages.len() {
            let before = depths.clone();
            for (stage, depth) in self.stages.iter().zip(&mut depths) {
                let fed = stage.inputs.iter().filter_map(|input| before.get(*places.get(input.as_str())?));
                *depth = fed.map(|depth| depth + 1).max().unwrap_or(0).min(self.stages.len() - 1);
            }
            if depths == before {
                break;
            }
        }
        depths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(id: &str, inputs: &[&str]) -> Stage {
        Stage { id: id.into(), inputs: inputs.iter().map(|id| (*id).into()).collect(), ..Stage::default() }
    }

    #[test]
    fn a_stage_comes_after_all_that_feed_it() {
        let stages = vec![stage("d", &["b", "c"]), stage("a", &[]), stage("b", &["a"]), stage("c", &["b", "a"])];
        assert_eq!(Graph::new(stages, vec![]).layers(), [vec![1], vec![2], vec![3], vec![0]]);
        assert_eq!(Graph::default().layers(), Vec::<Vec<usize>>::new());
        let ring =
            Graph::new(vec![stage("a", &["b"]), stage("b", &["a"]), stage("c", &["c", "gone", "a", "a"])], vec![]);
        assert_eq!(ring.stages[2].inputs, ["a"], "itself, a stage nobody knows and a repetition are no inputs");
        assert_eq!(ring.layers().into_iter().flatten().count(), 3, "each stage once");
    }

    #[test]
    fn a_graph_has_a_bound_and_says_so() {
        let graph = Graph::new((0..250).map(|id| stage(&id.to_string(), &["0", "249"])).collect(), vec![]);
        assert_eq!((graph.stages.len(), graph.notes[0].as_str()), (200, "only the first 200 of 250 stages are shown"));
        assert_eq!(graph.stages[1].inputs, ["0"]);
    }
}

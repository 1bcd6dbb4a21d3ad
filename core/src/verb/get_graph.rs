//! `get_graph`: the stages of a job and what feeds each, as the runner shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Hints, get_metrics::submitted, registry::Define};
use crate::{
    auth::Scope,
    clock::rfc3339,
    error::Error,
    job::{Graph, JobId},
    lifecycle::fresh,
    runner::Backend,
};

/// Input of `get_graph`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// Answers with a picture too.
    #[serde(default)]
    pub svg: bool,
}

/// Output of `get_graph`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The job.
    pub job_id: String,
    /// RFC 3339 of the answer.
    pub timestamp: String,
    /// The graph.
    #[serde(flatten)]
    pub graph: Graph,
    /// The picture, one SVG element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svg: Option<String>,
}

pub(super) struct GetGraph;

impl Define for GetGraph {
    const NAME: &'static str = "get_graph";
    const TITLE: &'static str = "Get the graph of stages";
    const DESCRIPTION: &'static str = "Stages of a job with state, parallelism and records, and what feeds each. Use it \
        to find the stage that is slow, skewed or failed.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let (job_id, graph) = read(&context, &JobId::parse(&input.job_id)?).await?;
        let svg = input.svg.then(|| graph.to_svg());
        Ok(Output { job_id, timestamp: rfc3339(context.now_ms()), graph, svg })
    }
}

/// The graph of a job that has reached its runner.
pub(crate) async fn read(context: &Context, id: &JobId) -> Result<(String, Graph), Error> {
    let job = fresh(context, id, None).await?.value;
    submitted(&job)?;
    let graph = context.runner(job.id.target())?.graph(&job).await?;
    Ok((job.id.to_string(), graph))
}

//! `get_operation`: the durable record of a savepoint, scale, drain, stop or cancel.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Hints, OperationView, registry::Define};
use crate::{auth::Scope, error::Error, job::Operation, lifecycle::drive_operation, store::Kind, store::Scan};

/// Input of `get_operation`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `<job id>/<kind>-<32 hex>` from the answer of the write.
    pub operation_id: String,
}

pub(super) struct GetOperation;

impl Define for GetOperation {
    const NAME: &'static str = "get_operation";
    const TITLE: &'static str = "Get an operation";
    const DESCRIPTION: &'static str = "State of a savepoint, scale, drain, stop or cancel: REQUESTED, ACCEPTED, \
        IN_PROGRESS, SUCCEEDED, FAILED or UNKNOWN, with savepoint_path once the runner confirmed it. Poll it every few \
        seconds while terminal is false.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = OperationView;

    async fn run(context: Context, input: Input) -> Result<OperationView, Error> {
        let stored = context.rows.operation(&input.operation_id).await?;
        if stored.value.state.is_terminal() {
            return Ok(stored.value.into());
        }
        drive_operation(&context, &input.operation_id).await.map(|stored| stored.value.into())
    }
}

/// Every operation of a job that is kept, by id.
///
/// # Errors
/// The store's.
pub async fn of_job(context: &Context, job_id: &str) -> Result<Vec<OperationView>, Error> {
    let scan = Scan { prefix: format!("{job_id}/"), limit: 200, ..Scan::default() };
    let page = context.rows.scan(Kind::Operation, scan).await?;
    let mut operations =
        page.records.iter().map(crate::store::parse_record::<Operation>).collect::<Result<Vec<_>, Error>>()?;
    operations.sort_by_key(|operation| operation.requested_ms);
    Ok(operations.into_iter().map(OperationView::from).collect())
}

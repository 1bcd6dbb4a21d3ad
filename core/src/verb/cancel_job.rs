//! `cancel_job`: four ways to end a job.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Changed, Context, Hints,
    idempotency::digest_of,
    operate::{Ask, How, operate},
    registry::Define,
};
use crate::{
    auth::Scope,
    error::{Error, ErrorKind},
    job::{JobId, OperationKind},
};

/// How a job is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Drop it: what is in flight is lost.
    Cancel,
    /// Flush what is in flight, then end (streaming).
    Drain,
    /// Keep a savepoint to resume from, then end (streaming).
    Stop,
    /// End it at once, without asking its code (Direct); the same as `cancel` elsewhere.
    Force,
}

/// Input of `cancel_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// How it is to end; needed unless `with_savepoint` says it.
    pub mode: Option<Mode>,
    /// S1: true is `stop` where the job can take a savepoint and a plain cancel, with a note, where it cannot; false is
    /// `cancel`.
    pub with_savepoint: Option<bool>,
    /// Directory for the savepoint, beneath what the target allows.
    #[serde(alias = "savepoint_dir")]
    pub savepoint_path: Option<String>,
    /// Makes a repeated call answer with the operation of the first.
    pub idempotency_key: Option<String>,
    /// Longest to wait for the end, in seconds; default 20.
    pub wait_seconds: Option<f64>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

pub(super) struct CancelJob;

impl Define for CancelJob {
    const NAME: &'static str = "cancel_job";
    const TITLE: &'static str = "End a job";
    const DESCRIPTION: &'static str = "Ends a job. mode: cancel drops it; drain flushes what is in flight first; stop \
        keeps a savepoint to resume from; force kills it at once. Cannot be undone. A dry_run shows the exact calls; \
        send its digest as plan_digest to confirm.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        let mode = mode(&input)?;
        let ask = ask(&input, mode)?;
        let digest = digest_of(&ask);
        match operate(&context, ask).await {
            Err(error) if may_downgrade(&input, &error) => {
                let mut ask = self::ask(&input, Mode::Cancel)?;
                ask.how.notes = vec![format!("ended without a savepoint: {}", error.message())];
                ask.how.digest = Some(digest);
                operate(&context, ask).await
            }
            other => other,
        }
    }
}

fn mode(input: &Input) -> Result<Mode, Error> {
    match (input.mode, input.with_savepoint) {
        (Some(mode), None) => Ok(mode),
        (Some(Mode::Stop) | None, Some(true)) => Ok(Mode::Stop),
        (Some(Mode::Cancel) | None, Some(false)) => Ok(Mode::Cancel),
        (Some(_), Some(_)) => Err(super::create_savepoint::contradiction("mode", "with_savepoint")),
        (None, None) => Err(Error::invalid("no_mode", "`mode` is needed: cancel, drain, stop or force")
            .suggest("choose `stop` to keep a savepoint, `drain` to flush, `cancel` to drop")),
    }
}

fn ask(input: &Input, mode: Mode) -> Result<Ask, Error> {
    let (kind, force) = match mode {
        Mode::Cancel => (OperationKind::Cancel, false),
        Mode::Force => (OperationKind::Cancel, true),
        Mode::Drain => (OperationKind::Drain, false),
        Mode::Stop => (OperationKind::Stop, false),
    };
    let savepoint_dir = input.savepoint_path.clone().filter(|_| kind != OperationKind::Cancel);
    let how = How {
        verb: CancelJob::NAME,
        idempotency_key: input.idempotency_key.clone(),
        dry_run: input.dry_run,
        plan_digest: input.plan_digest.clone(),
        wait_seconds: input.wait_seconds,
        ..How::default()
    };
    Ok(Ask {
        job_id: JobId::parse(&input.job_id)?,
        kind,
        savepoint_dir,
        parallelism: None,
        min_workers: None,
        force,
        how,
    })
}

/// `with_savepoint: true` asks for a savepoint where there can be one; an explicit mode is never changed.
fn may_downgrade(input: &Input, error: &Error) -> bool {
    input.mode.is_none() && (error.kind() == ErrorKind::Unsupported || error.reason() == "not_streaming")
}

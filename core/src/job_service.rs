//! Beam's Job API as a door: an SDK program's `PortableRunner` submits to the configured target and watches its job.
//!
//! `Prepare` stages the pipeline and answers with a name that holds its hash, so nothing is kept in memory; `Run` is
//! `create_job` with that name as its idempotency key, so a repeated `Run` makes no second job. Artifacts are not
//! staged. Streams are read in rounds: each answers what is new and where to go on.

mod watch;

use serde_json::{Value, json};

use crate::{
    config::{Config, RunnerKind, Target},
    effect::{Origin, Recipe},
    error::{Error, ErrorKind},
    job_api::{
        message::{Prepare, State},
        protobuf::Encoder,
        structure,
    },
    text::clean_line,
    verb::{self, Context, create_job},
};

const SERVICE: &str = "/org.apache.beam.model.job_management.v1.JobService/";
/// The stream on which an SDK offers files. It ends at once: nothing is asked for here.
pub const STAGING: &str =
    "/org.apache.beam.model.job_management.v1.ArtifactStagingService/ReverseArtifactRetrievalService";
/// Largest request of `Prepare`, in bytes.
pub const MOST_BYTES: u64 = 16 << 20;
/// Most jobs that `GetJobs` shows.
const JOBS: u32 = 200;

/// One call, or one round of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Full method: `/org.apache.beam.model.job_management.v1.JobService/…`.
    pub method: String,
    /// The encoded message.
    pub message: Vec<u8>,
    /// Where a stream goes on: [`Answer::next`] of the round before.
    pub cursor: Option<String>,
    /// The address by which the program reached the door: `host:port`.
    pub authority: String,
}

/// What a call or a round brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Encoded messages: one of a call, any number of a round.
    pub messages: Vec<Vec<u8>>,
    /// Where the stream goes on; `None`: it has ended.
    pub next: Option<String>,
}

impl Answer {
    fn one(message: Encoder) -> Self {
        Self { messages: vec![message.finish()], next: None }
    }
}

/// Checks what the configuration says about the door.
///
/// # Errors
/// `invalid_argument` for a target that is not there or runs no pipelines of SDK programs, and where callers need a token.
pub fn check(config: &Config) -> Result<(), Error> {
    let Some(door) = &config.job_api else { return Ok(()) };
    let bad = |message: &str| Err(Error::invalid("bad_job_api", format!("configuration key `job_api`: {message}")));
    if !config.targets.get(&door.target).is_some_and(takes_pipelines) {
        return bad("`target` names no target that runs pipelines of SDK programs").map_err(|error| {
            error.suggest("name a portable or a Direct target, or a Flink or Spark target that has `job_server_jar`")
        });
    }
    let is_open = config.auth.enabled == Some(false) || config.auth.tokens.is_empty();
    if !is_open {
        let why = "SDK programs send no token, so callers of the Job API cannot be told apart";
        return bad(why).map_err(|error| error.suggest("run a server of its own without `auth.tokens`, on loopback"));
    }
    Ok(())
}

/// True for a job service, for Direct, and for a cluster whose jobs can be put together here.
fn takes_pipelines(target: &Target) -> bool {
    match target.runner {
        RunnerKind::Portable | RunnerKind::Direct => true,
        RunnerKind::Flink | RunnerKind::Spark => target.job_server_jar.is_some(),
        RunnerKind::Dataflow | RunnerKind::Simulator => false,
    }
}

/// gRPC's status for an error.
pub fn status(error: &Error) -> u32 {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::PayloadTooLarge | ErrorKind::MalformedResponse => 3,
        ErrorKind::DeadlineExceeded => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::PermissionDenied => 7,
        ErrorKind::RateLimited => 8,
        ErrorKind::FailedPrecondition | ErrorKind::Conflict | ErrorKind::IdempotencyKeyReused => 9,
        ErrorKind::Cancelled => 1,
        ErrorKind::Unsupported | ErrorKind::MethodNotAllowed => 12,
        ErrorKind::Unavailable => 14,
        ErrorKind::Unauthenticated => 16,
        _ => 13,
    }
}

/// Answers one call, or one round of a stream.
///
/// # Errors
/// Those of the verb behind it; `unsupported` for methods that no job of ours has.
pub(crate) async fn answer(context: &Context, request: Request) -> Result<Answer, Error> {
    let Some(method) = request.method.strip_prefix(SERVICE) else { return Err(no_method(&request.method)) };
    let message = request.message.as_slice();
    match method {
        "DescribePipelineOptions" => Ok(Answer::one(Encoder::new())),
        "Prepare" => prepare(context, message, &request.authority).await,
        "Run" => Box::pin(run(context, message)).await,
        "GetJobs" => jobs(context).await,
        "GetState" => watch::state(context, message).await,
        "GetStateStream" => watch::states(context, message, request.cursor).await,
        "GetMessageStream" => watch::messages(context, message, request.cursor).await,
        "GetJobMetrics" => watch::metrics(context, message).await,
        "Cancel" => end(context, message, "cancel").await,
        "Drain" => end(context, message, "drain").await,
        other => Err(no_method(other)),
    }
}

fn no_method(method: &str) -> Error {
    Error::unsupported("no_method", format!("this job service has no method {}", clean_line(method, 128)))
}

/// The target all jobs of this door go to.
fn target(context: &Context) -> Result<Target, Error> {
    let configured = context.state.config.job_api.as_ref();
    let name = configured.map(|door| door.target.as_str()).ok_or_else(|| {
        Error::unsupported("job_api_off", "the Job API of this server is off").suggest("ask the operator for `job_api`")
    })?;
    context.state.config.target(Some(name)).cloned()
}

/// Keeps the pipeline. The preparation's id holds its name, a number that no other has, and the hash of its bytes.
async fn prepare(context: &Context, message: &[u8], authority: &str) -> Result<Answer, Error> {
    target(context)?;
    let prepare = Prepare::read(message).map_err(unreadable)?;
    let named = structure::read(&prepare.options).map_err(unreadable)?;
    let named = named.get("beam:option:job_name:v1").and_then(Value::as_str).unwrap_or(&prepare.job_name);
    let recipe = Recipe::plain(Origin::Bytes(message.to_vec().into()), MOST_BYTES);
    let source = context.io.stage(recipe).await?.map_err(|refusal| {
        Error::new(ErrorKind::Unavailable, refusal.reason, "the pipeline could not be kept")
            .with("detail", refusal.detail)
    })?;
    let id = format!("{}.{}.{}", plain(named), context.call.seed.hex128("preparation"), source.sha256);
    // Go's and Java's SDKs insist on offering files, and are asked for none.
    let staging = Encoder::new().text(1, authority).finish();
    Ok(Answer::one(Encoder::new().text(1, &id).bytes(2, &staging).text(3, &id)))
}

fn unreadable(_: Error) -> Error {
    Error::invalid("bad_message", "the request is no message of Beam's Job API")
}

fn plain(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(64).collect();
    if name.is_empty() { "job".into() } else { name }
}

async fn run(context: &Context, message: &[u8]) -> Result<Answer, Error> {
    let id = watch::job_id(message)?;
    let mut parts = id.rsplitn(3, '.');
    let (Some(sha256), Some(key), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(no_preparation());
    };
    let is_hash =
        sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_hash || !crate::job::id::is_token(key) {
        return Err(no_preparation());
    }
    let prepared =
        create_job::Prepared { name: name.to_owned(), source: format!("sha256:{sha256}"), key: key.to_owned() };
    let submitted = create_job::submit_prepared(context.clone(), &target(context)?, prepared).await?;
    let job = submitted.job.ok_or_else(|| Error::misuse("a submission without a job"))?;
    Ok(Answer::one(Encoder::new().text(1, &job.job_id)))
}

fn no_preparation() -> Error {
    Error::not_found("unknown_preparation", "this server has not prepared that")
        .suggest("call Prepare first and send its preparation_id unchanged")
}

async fn jobs(context: &Context) -> Result<Answer, Error> {
    let asked = json!({"target": target(context)?.name, "limit": JOBS});
    let listed = call(context, "list_jobs", asked).await?;
    let rows = listed.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
    let info = |job: &Value| {
        let state = watch::state_of(job).0;
        Encoder::new().text(1, watch::text(job, "job_id")).text(2, watch::text(job, "name")).varint(4, state).finish()
    };
    Ok(Answer::one(rows.iter().fold(Encoder::new(), |out, job| out.bytes(1, &info(job)))))
}

async fn end(context: &Context, message: &[u8], mode: &str) -> Result<Answer, Error> {
    let asked = json!({"job_id": watch::job_id(message)?, "mode": mode});
    let changed = call(context, "cancel_job", asked).await?;
    let state = changed.get("job").map_or(State::CANCELLING, watch::state_of);
    Ok(Answer::one(Encoder::new().varint(1, state.0)))
}

/// A verb, as every door calls it.
async fn call(context: &Context, name: &str, input: Value) -> Result<Value, Error> {
    let verb = verb::find(name).ok_or_else(|| verb::unknown(name))?;
    verb.run(context.clone(), input).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_leads_where_pipelines_run_and_only_where_nobody_needs_a_token() {
        let check_config = check;
        let check = |more: Value| {
            let mut document = json!({
                "targets": {
                    "prism": {"runner": "portable", "url": "http://127.0.0.1:8073"},
                    "flink": {"runner": "flink", "url": "http://127.0.0.1:8081", "job_server_jar": "/opt/beam/flink.jar"},
                    "jars": {"runner": "flink", "url": "http://127.0.0.1:8081"}, "sim": {"runner": "simulator"},
                },
            });
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            check_config(&Config::from_json(&document).unwrap())
        };
        check(json!({})).unwrap();
        check(json!({"job_api": {"target": "prism"}})).unwrap();
        check(json!({"job_api": {"target": "flink"}})).unwrap();
        for target in ["jars", "sim", "nobody"] {
            assert_eq!(check(json!({"job_api": {"target": target}})).unwrap_err().reason(), "bad_job_api");
        }
        let token = json!({"name": "ci", "sha256": "a".repeat(64), "role": "operator"});
        let closed = json!({"job_api": {"target": "prism"}, "auth": {"tokens": [token]}});
        assert_eq!(check(closed).unwrap_err().reason(), "bad_job_api");
    }

    #[test]
    fn errors_have_grpcs_status() {
        for (error, code) in [
            (Error::invalid("x", "x"), 3),
            (Error::not_found("x", "x"), 5),
            (Error::unsupported("x", "x"), 12),
            (Error::misuse("x"), 13),
        ] {
            assert_eq!(status(&error), code);
        }
    }
}

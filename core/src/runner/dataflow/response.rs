//! The answers of Dataflow's REST API that are read. 64-bit numbers are text in its JSON, times RFC 3339 in UTC, and
//! whatever is empty is left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{failure, state};
use crate::{clock::unix_ms, effect::Response, error::Error, job::JobState};

/// Reads a success, or the error the answer stands for.
pub(super) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    if !(200..300).contains(&response.status) {
        return Err(failure::error(response));
    }
    serde_json::from_slice(response.body.as_slice()).map_err(|error| {
        Error::malformed("Dataflow's answer has not the form that its v1b3 document gives it")
            .with("detail", error)
            .landed_as(crate::error::Landed::Perhaps)
    })
}

/// A number that is text in Google's JSON, where it has 64 bits.
fn int64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    })
}

/// A job, as summary or whole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobAnswer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) current_state: String,
    pub(super) current_state_time: String,
    pub(super) create_time: String,
    pub(super) start_time: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) replace_job_id: String,
    pub(super) replaced_by_job_id: String,
    pub(super) created_from_snapshot_id: String,
    pub(super) runtime_updatable_params: Option<Workers>,
    pub(super) environment: Environment,
}

/// Bounds of the number of workers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Workers {
    pub(super) max_num_workers: Option<u32>,
    pub(super) min_num_workers: Option<u32>,
}

/// What of a job's environment matters here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Environment {
    pub(super) experiments: Vec<String>,
}

impl JobAnswer {
    pub(super) fn state(&self) -> Option<JobState> {
        state::job_state(&self.current_state)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().is_some_and(JobState::is_terminal)
    }

    pub(super) fn created_ms(&self) -> Option<u64> {
        unix_ms(&self.create_time)
    }
}

/// One page of jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobPage {
    pub(super) jobs: Vec<JobAnswer>,
    pub(super) next_page_token: String,
    pub(super) failed_location: Vec<FailedLocation>,
}

/// A region that did not answer in a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FailedLocation {
    pub(super) name: String,
}

/// The job a launch made.
#[derive(Debug, Deserialize)]
pub(super) struct Launched {
    pub(super) job: JobAnswer,
}

/// Answer of `templates:get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TemplateAnswer {
    pub(super) status: Status,
    pub(super) metadata: Option<TemplateMetadata>,
    pub(super) template_type: String,
    pub(super) runtime_metadata: RuntimeMetadata,
}

/// `google.rpc.Status` inside an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: i32,
    pub(super) message: String,
}

/// What a template says about itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateMetadata {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) streaming: Option<bool>,
}

/// One parameter of a template.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) help_text: String,
    pub(super) is_optional: bool,
    pub(super) regexes: Vec<String>,
    pub(super) default_value: String,
    /// Only asked for when another parameter has some value.
    pub(super) parent_name: String,
    pub(super) enum_options: Vec<EnumOption>,
}

/// One value of an enumeration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EnumOption {
    pub(super) value: String,
}

/// What a template was built with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RuntimeMetadata {
    pub(super) sdk_info: SdkInfo,
}

/// The SDK of a template.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SdkInfo {
    pub(super) language: String,
}

/// A snapshot of a streaming job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Snapshot {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) description: String,
    pub(super) source_job_id: String,
}

/// The snapshots of a job.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Snapshots {
    pub(super) snapshots: Vec<Snapshot>,
}

/// One page of messages.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MessagePage {
    pub(super) job_messages: Vec<Message>,
    pub(super) autoscaling_events: Vec<AutoscalingEvent>,
    pub(super) next_page_token: String,
}

/// What Dataflow says about a job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) time: String,
    #[serde(rename = "messageText")]
    pub(super) text: String,
    #[serde(rename = "messageImportance")]
    pub(super) importance: String,
}

/// What the autoscaler did, or did not.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AutoscalingEvent {
    pub(super) time: String,
    pub(super) event_type: String,
    #[serde(deserialize_with = "int64")]
    pub(super) current_num_workers: Option<i64>,
    #[serde(deserialize_with = "int64")]
    pub(super) target_num_workers: Option<i64>,
    pub(super) description: StructuredMessage,
    pub(super) worker_pool: String,
}

/// Text with its parts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StructuredMessage {
    #[serde(rename = "messageText")]
    pub(super) text: String,
}

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
    pub(super) location: String,
    pub(super) replace_job_id: String,
    pub(super) replaced_by_job_id: String,
    pub(super) runtime_updatable_params: Option<Workers>,
}

/// Bounds of the number of workers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Workers {
    pub(super) max_num_workers: Option<u32>,
    pub(super) min_num_workers: Option<u32>,
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
    pub(super) creation_time: String,
    #[serde(deserialize_with = "int64")]
    pub(super) disk_size_bytes: Option<i64>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// An answer of the emulator of `tests/dataflow`, which Google's document describes.
    macro_rules! emulated {
        ($name:literal) => {
            recording(include_str!(concat!("../../../../tests/vectors/dataflow/emulated/", $name, ".json")))
        };
    }

    fn recording(text: &str) -> Response {
        let record: Value = serde_json::from_str(text).unwrap();
        Response::json(record["status"].as_u64().unwrap().try_into().unwrap(), &record["body"])
    }

    #[test]
    fn a_job_is_read_as_summary_and_whole() {
        let summary: JobAnswer = read(&emulated!("job")).unwrap();
        assert_eq!((summary.state(), summary.labels.len()), (Some(JobState::Running), 0));
        assert!(summary.created_ms().is_some_and(|ms| ms > 1_795_000_000_000));
        let whole: JobAnswer = read(&emulated!("job-whole")).unwrap();
        assert_eq!(whole.labels["beam_mcp_job"], "0bea0000000000000000000000000001");
        let workers = whole.runtime_updatable_params.unwrap();
        assert_eq!((workers.min_num_workers, workers.max_num_workers), (Some(1), Some(5)));
        let page: JobPage = read(&emulated!("jobs")).unwrap();
        assert_eq!((page.jobs.len(), page.next_page_token.is_empty()), (1, false));
        let draining: JobAnswer = read(&emulated!("draining")).unwrap();
        assert_eq!(draining.state(), Some(JobState::Draining));
    }

    #[test]
    fn launches_templates_and_snapshots_are_read() {
        for launched in [emulated!("launched"), emulated!("launched-flex")] {
            assert!(read::<Launched>(&launched).unwrap().job.id.ends_with("-emulated"));
        }
        let template: TemplateAnswer = read(&emulated!("template")).unwrap();
        assert_eq!((template.status.code, template.template_type.as_str()), (0, "LEGACY"));
        let metadata = template.metadata.unwrap();
        assert_eq!(metadata.parameters[0].regexes, [r"^gs:\/\/[^\n\r]+$"]);
        let taken: Snapshot = read(&emulated!("snapshot")).unwrap();
        let all: Snapshots = read(&emulated!("snapshots")).unwrap();
        assert_eq!((taken.state.as_str(), all.snapshots[0].state.as_str()), ("PENDING", "READY"));
        assert_eq!(all.snapshots[0].id, taken.id);
    }

    #[test]
    fn messages_and_events_are_read() {
        let page: MessagePage = read(&emulated!("messages")).unwrap();
        assert!(page.job_messages.iter().all(|message| message.text.starts_with("Emulated")));
        assert_eq!(page.autoscaling_events[0].target_num_workers, Some(1));
    }

    #[test]
    fn refusals_are_errors() {
        let taken = read::<Launched>(&emulated!("taken")).unwrap_err();
        assert_eq!((taken.kind(), taken.reason()), (ErrorKind::Conflict, "name_is_taken"));
        let unknown = read::<JobAnswer>(&emulated!("job-unknown")).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        let cut = Response::json(200, &serde_json::json!([1]));
        assert_eq!(read::<JobAnswer>(&cut).unwrap_err().kind(), ErrorKind::MalformedResponse);
    }
}

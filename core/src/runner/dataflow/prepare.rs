//! What is settled before an intent is stored: template, parameters, options, name, and the calls to come.

use serde_json::{Map, Value, json};

use super::{
    Dataflow,
    name::{LABEL, is_job_name, job_name},
    options::{self, Resolved, service_argument, snapshot_option},
    parameters::{self, Checked},
    request::Filter,
    submit::launch_request,
    template::{self, Kind, Template},
};
use crate::{
    effect::{Body, Method},
    error::{Error, ErrorKind},
    job::{JobSpec, JobType},
    runner::{PlannedCall, Submission, python::outline::of_text},
    url::decode,
};

/// Largest pipeline in Beam YAML that a call holds.
const YAML_BYTES: u64 = 64 << 10;

impl Dataflow {
    pub(super) async fn prepare_launch(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        let target = &self.context.target;
        let chosen = template::choose(spec, target, operator)?;
        let told = match template::yaml_text(spec) {
            Some(text) => of_text(&self.context.io, text, YAML_BYTES).await?,
            None => Vec::new(),
        };
        let template = self.template(&chosen.path).await?;
        let metadata = template.metadata.as_ref();
        let mut resolved = options::resolve(spec, target, template.kind, metadata, operator)?;
        let checked = parameters::check(given(spec, &mut resolved, chosen.yaml_file)?, metadata)?;
        resolved.put_label(LABEL, token);
        if let Some(snapshot) = &spec.savepoint_path {
            self.start_from(snapshot, &template, &mut resolved).await?;
        }
        if let Some(least) = resolved.least {
            resolved.pass(service_argument(&template.language, &format!("min_num_workers={least}")));
        }
        let replaces = if resolved.update { Some(self.replaced(&spec.job_name).await?) } else { None };
        let name = if replaces.is_some() { spec.job_name.clone() } else { job_name(&spec.job_name, token) };
        let mut submission = self.submission(spec, &template, resolved, checked, &name, replaces);
        submission.notes.extend(told);
        Ok(submission)
    }

    /// The running job an update replaces: the active one of exactly this name.
    async fn replaced(&self, name: &str) -> Result<String, Error> {
        if !is_job_name(name) {
            return Err(Error::invalid("bad_job_name", "an update names the running job by its name on Dataflow")
                .suggest("send `job_name` as Dataflow shows it, such as words-0bea…"));
        }
        let named = self.pages(Filter::Named(name)).await?;
        let running = named.into_iter().find(|job| job.name == name && !job.has_ended());
        let job = running.ok_or_else(|| {
            Error::precondition("nothing_to_update", "no running job of this name is there to replace")
                .with("job_name", name)
                .suggest("check the name, or leave `update` out to start a new job")
        })?;
        match super::state::job_type(&job.r#type) {
            Some(JobType::Batch) => Err(Error::precondition("not_streaming", "Dataflow updates streaming jobs only")
                .suggest("cancel the job and create it again")),
            _ => Ok(job.id),
        }
    }

    /// A snapshot must be ready; then it is an option of the program.
    async fn start_from(&self, id: &str, template: &Template, resolved: &mut Resolved) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.len() > 256 || !id.chars().all(plain) {
            return Err(Error::invalid("bad_snapshot_id", "`savepoint_path` is the id of a Dataflow snapshot")
                .with("savepoint_path", id)
                .suggest("take the id from the answer to create_savepoint"));
        }
        let snapshot = self.snapshot(id).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::invalid("no_such_snapshot", "Dataflow does not know this snapshot")
                .with("savepoint_path", id)
                .suggest("snapshots are deleted when their time is over; take a newer one"),
            _ => error,
        })?;
        if snapshot.state != "READY" {
            return Err(Error::precondition("snapshot_not_ready", "the snapshot is not ready to start from")
                .with("state", &snapshot.state));
        }
        let option = snapshot_option(&template.language, id);
        resolved.argue(&option);
        resolved.options.push(option);
        Ok(())
    }

    fn submission(
        &self,
        spec: &JobSpec,
        template: &Template,
        resolved: Resolved,
        checked: Checked,
        name: &str,
        replaces: Option<String>,
    ) -> Submission {
        let mut notes = notes(spec, template, &resolved);
        notes.extend(checked.notes);
        let body = body(template, &resolved, &checked.values, name);
        let mut settings = Map::new();
        settings.insert("name".into(), name.into());
        settings.insert("template".into(), template.path.as_str().into());
        settings.insert("flex".into(), (template.kind == Kind::Flex).into());
        settings.insert("body".into(), body);
        settings.extend(replaces.map(|id| ("replaces".to_owned(), id.into())));
        let mut submission = Submission {
            file_name: template.path.rsplit('/').next().map(str::to_owned),
            settings,
            options: resolved.options,
            notes,
            ..Submission::default()
        };
        submission.calls = self.calls(&submission);
        submission
    }

    fn calls(&self, submission: &Submission) -> Vec<PlannedCall> {
        let Ok(request) = launch_request(&self.context.target, submission) else { return Vec::new() };
        let method = if request.method == Method::Post { "POST" } else { "GET" };
        let body = match request.body {
            Body::Json(body) => body,
            _ => Value::Null,
        };
        let call = format!("{method} {}", decode(&request.path, false).unwrap_or(request.path));
        let purpose = "launch the template under a name that is taken once while the job is active";
        vec![PlannedCall { call, purpose: purpose.into(), body }]
    }
}

/// The parameters of the call and those among its options; one in both must be the same.
fn given(spec: &JobSpec, resolved: &mut Resolved, yaml_file: Option<String>) -> Result<Map<String, Value>, Error> {
    let mut all = spec.template_parameters.clone();
    let yaml = [(template::YAML, spec.yaml.clone()), (template::YAML_FILE, yaml_file)];
    let yaml = yaml.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
    for (name, value) in std::mem::take(&mut resolved.parameters).into_iter().chain(yaml) {
        if all.get(&name).is_some_and(|there| *there != value) {
            return Err(Error::invalid("contradicting_aliases", format!("`{name}` is set twice, to different values"))
                .suggest("set it once, in `template_parameters`"));
        }
        all.insert(name, value);
    }
    Ok(all)
}

fn body(template: &Template, resolved: &Resolved, parameters: &Map<String, Value>, name: &str) -> Value {
    let mut launch = json!({"jobName": name, "parameters": parameters, "environment": resolved.environment});
    let mapping = if template.kind == Kind::Flex { "transformNameMappings" } else { "transformNameMapping" };
    if let Some(launch) = launch.as_object_mut() {
        if template.kind == Kind::Flex {
            launch.insert("containerSpecGcsPath".into(), template.path.as_str().into());
        }
        if resolved.update {
            launch.insert("update".into(), true.into());
        }
        if resolved.update && !resolved.transform_names.is_empty() {
            launch.insert(mapping.into(), resolved.transform_names.clone().into());
        }
    }
    if template.kind == Kind::Flex { json!({"launchParameter": launch}) } else { launch }
}

fn notes(spec: &JobSpec, template: &Template, resolved: &Resolved) -> Vec<String> {
    let streaming = template.metadata.as_ref().and_then(|metadata| metadata.streaming);
    let differs = match (spec.job_type, streaming) {
        (Some(JobType::Batch), Some(true)) => Some("the template says that it is a streaming one"),
        (Some(JobType::Streaming), Some(false)) => Some("the template says that it is a batch one"),
        _ => None,
    };
    let unmapped = (!resolved.update && !resolved.transform_names.is_empty())
        .then_some("`transform_name_mapping` means something in an update only; it is not sent");
    let argued = resolved.environment.contains_key("additionalPipelineOptions").then_some(
        "whether the template's program takes the options that are passed on to it is known only when it starts",
    );
    let always = "quota, permissions and what the pipeline does are known only when Dataflow starts it";
    [Some(always), differs, unmapped, argued].into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        runner::{
            Backend,
            dataflow::testing::{NAME, Played, TOKEN, answer, play, refusal, target},
        },
    };

    const WORD_COUNT: &str = "gs://dataflow-templates/latest/Word_Count";
    const METADATA: &str =
        "GET templates:get?gcsPath=gs%3A%2F%2Fdataflow-templates%2Flatest%2FWord_Count&view=METADATA_ONLY";

    fn spec(more: Value) -> JobSpec {
        let mut all = json!({"job_name": "words", "target": "df", "template_path": WORD_COUNT,
            "template_parameters": {"inputFile": "gs://b/i", "output": "gs://b/o"}});
        if let Value::Object(more) = more {
            all.as_object_mut().unwrap().extend(more);
        }
        serde_json::from_value(all).unwrap()
    }

    fn metadata(kind: &str) -> Reply {
        let parameters = json!([{"name": "inputFile"}, {"name": "output"}]);
        answer(
            200,
            json!({"templateType": kind, "metadata": {"name": "x", "parameters": parameters, "streaming": false},
            "runtimeMetadata": {"sdkInfo": {"language": "JAVA"}}}),
        )
    }

    fn prepare(spec: JobSpec, script: Vec<(&'static str, Reply)>) -> Played<Submission> {
        play(target(), script, |it| async move { it.prepare(&spec, TOKEN, false).await })
    }

    #[test]
    fn a_plan_shows_the_very_launch_that_will_be_sent() {
        let options = json!({"pipeline_options": {"temp_location": "gs://b/t"}, "job_type": "STREAMING"});
        let submission = prepare(spec(options), vec![(METADATA, metadata("LEGACY"))]).end.unwrap();
        let body = json!({
            "jobName": NAME, "parameters": {"inputFile": "gs://b/i", "output": "gs://b/o"},
            "environment": {"tempLocation": "gs://b/t", "additionalUserLabels": {"beam_mcp_job": TOKEN}},
        });
        assert_eq!(submission.calls[0].body, body);
        assert!(
            submission.calls[0]
                .call
                .ends_with("/locations/us-central1/templates:launch?gcsPath=gs://dataflow-templates/latest/Word_Count")
        );
        assert!(submission.notes.iter().any(|note| note.contains("batch one")), "{:?}", submission.notes);
    }

    #[test]
    fn the_fewest_workers_are_a_service_option_in_the_language_of_the_template() {
        let options = json!({"pipeline_options": {"min_workers": 2, "max_workers": 5}});
        let submission = prepare(spec(options), vec![(METADATA, metadata("FLEX"))]).end.unwrap();
        let environment = &submission.calls[0].body["launchParameter"]["environment"];
        let passed = json!(["--dataflowServiceOptions=min_num_workers=2"]);
        assert_eq!((&environment["additionalPipelineOptions"], &environment["maxWorkers"]), (&passed, &json!(5)));
        assert_eq!(service_argument("PYTHON", "a=1"), "--dataflow_service_options=a=1");
    }

    #[test]
    fn a_flex_template_is_launched_as_one() {
        let submission = prepare(spec(json!({})), vec![(METADATA, metadata("FLEX"))]).end.unwrap();
        let launch = &submission.calls[0].body["launchParameter"];
        assert_eq!(launch["containerSpecGcsPath"], WORD_COUNT);
        assert!(submission.calls[0].call.ends_with("/flexTemplates:launch"));
    }

    #[test]
    fn nothing_is_launched_that_the_template_does_not_take() {
        let bad = spec(json!({"template_parameters": {"inputFile": "x", "outputs": "y"}}));
        assert_eq!(prepare(bad, vec![(METADATA, metadata("FLEX"))]).reason(), "unknown_parameter");
        let twice = spec(json!({"pipeline_options": {"output": "gs://b/else"}}));
        assert_eq!(prepare(twice, vec![(METADATA, metadata("FLEX"))]).reason(), "contradicting_aliases");
        for (reply, reason) in [
            (refusal(404, "NOT_FOUND", "no"), "no_such_template"),
            (answer(200, json!({"status": {"code": 3, "message": "no"}})), "bad_template"),
            (metadata("UNKNOWN"), "malformed_response"),
        ] {
            assert_eq!(prepare(spec(json!({})), vec![(METADATA, reply)]).reason(), reason);
        }
    }

    #[test]
    fn a_job_starts_from_a_snapshot_that_is_ready() {
        let restored = || spec(json!({"savepoint_path": "snap-1"}));
        let call = "GET snapshots/snap-1";
        let ready = vec![(METADATA, metadata("FLEX")), (call, answer(200, json!({"id": "snap-1", "state": "READY"})))];
        let submission = prepare(restored(), ready).end.unwrap();
        let environment = &submission.calls[0].body["launchParameter"]["environment"];
        assert_eq!(environment["additionalPipelineOptions"], json!(["--createFromSnapshot=snap-1"]));
        for (reply, reason) in [
            (refusal(404, "NOT_FOUND", "no"), "no_such_snapshot"),
            (answer(200, json!({"id": "snap-1", "state": "RUNNING"})), "snapshot_not_ready"),
        ] {
            let script = vec![(METADATA, metadata("FLEX")), (call, reply)];
            assert_eq!(prepare(restored(), script).reason(), reason);
        }
        let path = spec(json!({"savepoint_path": "gs://b/s"}));
        assert_eq!(prepare(path, vec![(METADATA, metadata("FLEX"))]).reason(), "bad_snapshot_id");
    }

    #[test]
    fn an_update_keeps_the_name_of_what_it_replaces() {
        let named = "GET jobs?filter=ALL&name={name}&pageSize=200";
        let options = json!({"update": true, "transform_name_mapping": {"a": "b"}});
        let update = || spec(json!({"job_name": NAME, "pipeline_options": options}));
        let job = |state: &str, kind: &str| {
            (named, answer(200, json!({"jobs": [{"id": "old", "name": NAME, "currentState": state, "type": kind}]})))
        };
        let script = vec![(METADATA, metadata("LEGACY")), job("JOB_STATE_RUNNING", "JOB_TYPE_STREAMING")];
        let submission = prepare(update(), script).end.unwrap();
        let body = &submission.calls[0].body;
        assert_eq!((body["jobName"].as_str(), &body["update"]), (Some(NAME), &json!(true)));
        assert_eq!(
            (&body["transformNameMapping"], &submission.settings["replaces"]),
            (&json!({"a": "b"}), &json!("old"))
        );
        for (state, kind, reason) in [
            ("JOB_STATE_DONE", "JOB_TYPE_STREAMING", "nothing_to_update"),
            ("JOB_STATE_RUNNING", "JOB_TYPE_BATCH", "not_streaming"),
        ] {
            let script = vec![(METADATA, metadata("LEGACY")), job(state, kind)];
            assert_eq!(prepare(update(), script).reason(), reason);
        }
        let bad = spec(json!({"job_name": "My job", "pipeline_options": options}));
        assert_eq!(prepare(bad, vec![(METADATA, metadata("LEGACY"))]).reason(), "bad_job_name");
    }
}

//! A pipeline that an SDK program has handed over at the Job API's door, for a target that is no job service.
//!
//! What the door keeps is a request of `Prepare`. Its Python workers are placed where the target runs them, and a child is
//! given that: it turns it into the form of a jar, or runs it (Direct).

use super::{
    capture::{self, PIPELINE_BYTES, check, only_on_a_server},
    code::Code,
    staging::{self, not_staged},
};
use crate::{
    effect::{Origin, Query, Recipe, SourceId, Use},
    error::Error,
    job::JobSpec,
    job_api::{
        environment::{Environment, environments, placed},
        message::Prepare,
        structure,
    },
    runner::{Context, code::stage, options},
};

/// What was handed over; `None` for a spec that names code.
///
/// # Errors
/// As [`staging::check`]; `invalid_argument`, reason `no_pipeline`, for what is no pipeline or is kept no more.
pub(in crate::runner) async fn read(context: &Context, spec: &JobSpec) -> Result<Option<Prepare>, Error> {
    let Some(pipeline) = &spec.pipeline else { return Ok(None) };
    staging::check(&context.target, spec)?;
    let query = Query::Source { id: SourceId(pipeline.clone()), max: PIPELINE_BYTES };
    let data = capture::read(context, "", query, PIPELINE_BYTES).await?;
    Prepare::read(data.as_slice()).map(Some).map_err(broken)
}

/// True for a pipeline whose program asks for streaming.
pub(in crate::runner) fn is_streaming(prepare: &Prepare) -> bool {
    structure::read(&prepare.options).is_ok_and(|options| {
        let asked = options.get("beam:option:streaming:v1");
        asked.is_some_and(|value| *value == true || *value == "true")
    })
}

/// Stages it anew for the job of this token, as the target runs it. That copy goes when nobody has needed it for a week;
/// what was handed over stays, so that the job can be submitted again.
///
/// # Errors
/// `permission_denied`, reason `environment_differs`; `unsupported`, reason `artifacts_not_staged`; `invalid_argument`,
/// reason `no_pipeline`.
pub(in crate::runner) async fn staged(
    context: &Context,
    handed: Prepare,
    allowed: &Environment,
    token: &str,
) -> Result<Code, Error> {
    let pipeline = placed(&handed.pipeline, allowed).map_err(broken)?;
    for asked in environments(&pipeline).map_err(broken)? {
        check(&asked, allowed)?;
        if asked.dependencies > 0 {
            return Err(not_staged("the pipeline brings files for its workers, and the door takes none"));
        }
    }
    let whole = Prepare { pipeline, options: callers(&handed.options)?, ..handed }.write();
    let used = Some(Use { job: token.to_owned(), over: false });
    let recipe = Recipe { used, ..Recipe::plain(Origin::Bytes(whole.into()), PIPELINE_BYTES) };
    stage(&context.io, recipe).await.map(Code::Pipeline).map_err(only_on_a_server)
}

/// Options of the program without those that only operators set: the door's caller is none.
fn callers(encoded: &[u8]) -> Result<Vec<u8>, Error> {
    let mut options = structure::read(encoded).map_err(broken)?;
    options.retain(|key, _| {
        let name = key.strip_prefix("beam:option:").unwrap_or(key);
        !options::is_operator_only(name.strip_suffix(":v1").unwrap_or(name))
    });
    Ok(structure::write(&options))
}

fn broken(_: Error) -> Error {
    capture::failed("what was handed over is no pipeline")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::Target,
        effect::Reply,
        job_api::protobuf::Encoder,
        runner::{
            Backend, Submission,
            flink::testing::{Played, TOKEN, play, target},
            python::testing::{able, captured, file, staged},
        },
    };

    /// A pipeline of one environment with so many files, as a program's SDK prepares it.
    fn handed(urn: &str, payload: &[u8], files: usize, options: &Value) -> Reply {
        let environment = Encoder::new().text(2, urn).bytes(3, payload);
        let environment = (0..files).fold(environment, |out, _| out.bytes(6, b"a file"));
        let components = Encoder::new().entry(5, "e", &environment.finish()).finish();
        let options = structure::write(options.as_object().unwrap());
        let pipeline = Encoder::new().bytes(1, &components).finish();
        file(Prepare { pipeline, options, job_name: "job".into() }.write().into())
    }

    fn python(options: &Value) -> Reply {
        let image = Encoder::new().text(1, "apache/beam_python3.11_sdk:2.77.0").finish();
        handed("beam:env:docker:v1", &image, 0, options)
    }

    fn prepare(more: &Value, script: Vec<(&str, Reply)>) -> Played<Submission> {
        let mut options = json!({"environment_type": "EXTERNAL", "environment_config": "pool:1"});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let target = Target {
            job_server_jar: Some("/opt/beam/job-server.jar".into()),
            options: serde_json::from_value(options).unwrap(),
            ..target()
        };
        let spec = JobSpec { pipeline: Some("sha256:aa".into()), job_name: "door".into(), ..JobSpec::default() };
        play(target, script, |flink| async move { flink.prepare(&spec, TOKEN, false).await })
    }

    #[test]
    fn a_pipeline_gets_the_targets_workers_and_none_of_its_code_runs() {
        let played = prepare(
            &json!({}),
            vec![("OBSERVE", python(&json!({}))), ("OBSERVE", able(None)), ("STAGE", staged("", "bb", None))],
        );
        let Origin::Bytes(kept) = &played.recipes[0].base else { panic!("{:?}", played.recipes) };
        assert_eq!(played.recipes[0].used.as_ref().map(|used| used.job.as_str()), Some(TOKEN), "the copy goes again");
        let kept = Prepare::read(kept.as_slice()).unwrap();
        let [one] = environments(&kept.pipeline).unwrap().try_into().unwrap();
        assert_eq!((one.kind.as_str(), one.endpoint.as_str()), ("external", "pool:1"));
        let made = played.end.unwrap();
        assert_eq!(made.argv, ["pipeline", "code/prepare.pb"]);
        assert_eq!((made.sha256.as_deref(), made.file_name.as_deref()), (Some("bb"), Some("code/prepare.pb")));
        assert!(made.notes.iter().all(|note| !note.contains("run()")), "{:?}", made.notes);
    }

    #[test]
    fn options_that_only_operators_set_do_not_come_through_the_door() {
        let told = json!({"beam:option:flink_master:v1": "evil:8081", "beam:option:output:v1": "/out"});
        let played = prepare(
            &json!({}),
            vec![("OBSERVE", python(&told)), ("OBSERVE", able(None)), ("STAGE", staged("", "bb", None))],
        );
        let Origin::Bytes(kept) = &played.recipes[0].base else { panic!("{:?}", played.recipes) };
        let kept = structure::read(&Prepare::read(kept.as_slice()).unwrap().options).unwrap();
        assert_eq!(serde_json::to_value(kept).unwrap(), json!({"beam:option:output:v1": "/out"}));
    }

    #[test]
    fn a_program_that_streams_is_given_what_streaming_needs() {
        let idle = |options: Value| {
            let script =
                vec![("OBSERVE", python(&options)), ("OBSERVE", able(None)), ("STAGE", staged("", "bb", None))];
            let made = prepare(&json!({}), script).end.unwrap();
            made.options.iter().any(|option| option.name == "shutdown_sources_after_idle_ms")
        };
        assert!(idle(json!({"beam:option:streaming:v1": true})) && idle(json!({"beam:option:streaming:v1": "true"})));
        assert!(!idle(json!({})) && !idle(json!({"beam:option:streaming:v1": false})));
    }

    #[test]
    fn what_cannot_run_there_is_refused_before_anything_is_sent() {
        let refused =
            |reply| prepare(&json!({}), vec![("OBSERVE", reply), ("OBSERVE", able(None))]).reason().to_owned();
        let image = Encoder::new().text(1, "evil/image").finish();
        assert_eq!(refused(handed("beam:env:docker:v1", &image, 0, &json!({}))), "environment_differs");
        assert_eq!(refused(captured("evil:1")), "environment_differs");
        let pool = Encoder::new().bytes(1, &Encoder::new().text(1, "pool:1").finish()).finish();
        assert_eq!(refused(handed("beam:env:external:v1", &pool, 1, &json!({}))), "artifacts_not_staged");
        let unread = |reply| prepare(&json!({}), vec![("OBSERVE", reply)]).reason().to_owned();
        assert_eq!(unread(file("no pipeline".into())), "no_pipeline");
        let gone = Reply::Facts { facts: vec![crate::effect::Fact::File { size: None, data: "".into() }] };
        assert_eq!(unread(gone), "no_pipeline");
        let files = json!({"requirements_file": "r.txt"});
        assert_eq!(prepare(&files, vec![]).reason(), "artifacts_not_staged");
    }
}

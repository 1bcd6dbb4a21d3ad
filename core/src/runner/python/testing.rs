//! What a host answers while a program is run up to its pipeline.

use serde_json::{Value, json};

use crate::{
    effect::{Artifact, Blob, Fact, Held, Reply, Source, SourceId},
    job_api::{message::Prepare, protobuf::Encoder, structure},
};

pub(in crate::runner) fn staged(name: &str, hex: &str, archive: Option<Artifact>) -> Reply {
    let (id, sha256) = (SourceId(format!("sha256:{hex}")), hex.to_owned());
    Reply::Staged(Source { id, sha256, size: 7, file_name: name.into(), archive, outline: None })
}

/// A Python that has Beam, and a job-server jar that says it holds this runner.
pub(in crate::runner) fn able(runner: Option<&str>) -> Reply {
    let (version, beam_version) = (Some("3.11.7".into()), Some("2.77.0".into()));
    let python = Fact::Program { found: true, version, beam_version, yaml: true };
    let version = runner.map(Into::into);
    Reply::Facts { facts: vec![python, Fact::Program { found: true, version, beam_version: None, yaml: false }] }
}

pub(in crate::runner) fn file(data: Blob) -> Reply {
    Reply::Facts { facts: vec![Fact::File { size: Some(data.as_slice().len() as u64), data }] }
}

/// The options of [`captured`], as a job-server jar holds them.
pub(in crate::runner) fn options() -> Value {
    json!({
        "beam:option:job_name:v1": "job", "beam:option:output:v1": "/out",
        "beam:option:environment_type:v1": "EXTERNAL", "beam:option:environment_config:v1": "pool:1",
    })
}

/// A pipeline whose one environment is the pool at this address, as the child keeps it.
pub(in crate::runner) fn captured(address: &str) -> Reply {
    let url = Encoder::new().text(1, address).finish();
    let payload = Encoder::new().bytes(1, &url).finish();
    let environment = Encoder::new().text(2, "beam:env:external:v1").bytes(3, &payload).finish();
    let components = Encoder::new().entry(5, "e", &environment).finish();
    let options = structure::write(options().as_object().unwrap());
    let pipeline = Encoder::new().bytes(1, &components).finish();
    file(Prepare { pipeline, options, job_name: "job".into() }.write().into())
}

/// A child that runs to its pipeline.
pub(in crate::runner) fn begun(address: &str) -> Vec<(&'static str, Reply)> {
    let ended = vec![
        Fact::Alive { alive: false, exit_code: Some(0), signal: None, limit: None, released: true },
        Fact::Result { state: None, result: Some(json!({"state": "CAPTURED"}).to_string()) },
    ];
    vec![
        ("LAUNCH", Reply::Held(Held { pid: 7, start_time: 1 })),
        ("SIGNAL", Reply::Ok),
        ("OBSERVE", Reply::Facts { facts: ended }),
        ("OBSERVE", captured(address)),
    ]
}

/// The parts of the jar with the hash `dd`, and the jar.
pub(in crate::runner) fn built(address: &str) -> Vec<(&'static str, Reply)> {
    vec![
        ("OBSERVE", captured(address)),
        ("OBSERVE", file("{\"components\":{}}".into())),
        ("STAGE", staged("", "c1", None)),
        ("STAGE", staged("", "c2", None)),
        ("STAGE", staged("", "c3", None)),
        ("STAGE", staged("", "dd", None)),
    ]
}

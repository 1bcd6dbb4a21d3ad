//! Where the workers of an encoded pipeline run, and what must be staged for them.

use super::protobuf::{Encoder, Message};
use crate::error::Error;

/// One environment of a pipeline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Environment {
    /// Beam's word between `beam:env:` and the version: `external`, `docker`, `process`, `embedded_python`, …
    pub kind: String,
    /// Address of an external worker pool; empty for other kinds.
    pub endpoint: String,
    /// Files that must be staged before it can work.
    pub dependencies: usize,
}

/// The environments of an encoded pipeline.
///
/// # Errors
/// `malformed_response` for bytes that are no pipeline.
pub fn environments(pipeline: &[u8]) -> Result<Vec<Environment>, Error> {
    let components = Message::read(Message::read(pipeline)?.bytes(1).unwrap_or_default())?;
    components.entries(5)?.into_iter().map(|(_, bytes)| environment(bytes)).collect()
}

fn environment(bytes: &[u8]) -> Result<Environment, Error> {
    let environment = Message::read(bytes)?;
    let urn = environment.text(2);
    let kind = urn.strip_prefix("beam:env:").and_then(|rest| rest.split(':').next()).unwrap_or(&urn).to_owned();
    let endpoint = match environment.bytes(3) {
        Some(payload) if kind == "external" => endpoint(payload)?,
        _ => String::new(),
    };
    Ok(Environment { kind, endpoint, dependencies: environment.all(6).count() })
}

fn endpoint(payload: &[u8]) -> Result<String, Error> {
    let descriptor = Message::read(Message::read(payload)?.bytes(1).unwrap_or_default())?;
    Ok(descriptor.text(1))
}

/// Listed by every Python program; it only tells a reader what was installed where the program ran.
const OWN_DEPENDENCY: &[u8] = b"submission_environment_dependencies.txt";
/// Part of the name of every image Beam starts Python workers from.
const PYTHON_IMAGE: &[u8] = b"beam_python";

/// The pipeline with its Python workers where a target runs them: programs that were told nothing ask for Beam's Docker
/// image. Other environments stay as they are.
///
/// # Errors
/// As [`environments`].
pub fn placed(pipeline: &[u8], target: &Environment) -> Result<Vec<u8>, Error> {
    let payload = match target.kind.as_str() {
        "external" => Encoder::new().bytes(1, &Encoder::new().text(1, &target.endpoint).finish()).finish(),
        "embedded_python" => Vec::new(),
        _ => return Ok(pipeline.to_vec()),
    };
    let urn = format!("beam:env:{}:v1", target.kind);
    let environment = |bytes| moved(bytes, &urn, &payload).map(Some);
    let entry = |bytes| Message::read(bytes)?.edited(2, environment).map(Some);
    let components = |bytes| Message::read(bytes)?.edited(5, entry).map(Some);
    Message::read(pipeline)?.edited(1, components)
}

fn moved(bytes: &[u8], urn: &str, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let is_own = |artifact: &[u8]| holds(artifact, OWN_DEPENDENCY);
    let bare = Message::read(bytes)?.edited(6, |artifact| Ok((!is_own(artifact)).then(|| artifact.to_vec())))?;
    let message = Message::read(&bare)?;
    let docker = message.bytes(2) == Some(b"beam:env:docker:v1");
    if !docker || !holds(message.bytes(3).unwrap_or_default(), PYTHON_IMAGE) {
        return Ok(bare);
    }
    let renamed = message.edited(2, |_| Ok(Some(urn.as_bytes().to_vec())))?;
    Message::read(&renamed)?.edited(3, |_| Ok(Some(payload.to_vec())))
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(environment: Encoder) -> Vec<u8> {
        let components = Encoder::new().text(9, "x").entry(5, "e", &environment.finish()).finish();
        Encoder::new().bytes(1, &components).text(2, "root").finish()
    }

    #[test]
    fn pythons_docker_image_becomes_the_targets_environment() {
        let image = |name: &str| Encoder::new().text(1, name).finish();
        let artifact = Encoder::new().bytes(4, b"..submission_environment_dependencies.txt..").finish();
        let target = Environment { kind: "external".into(), endpoint: "pool:1".into(), dependencies: 0 };
        let docker = |name: &str| {
            let payload = image(name);
            Encoder::new().text(2, "beam:env:docker:v1").bytes(3, &payload).text(5, "capability").bytes(6, &artifact)
        };
        let python = placed(&pipeline(docker("apache/beam_python3.11_sdk:2.77.0")), &target).unwrap();
        assert_eq!(environments(&python).unwrap().as_slice(), std::slice::from_ref(&target));
        assert!(holds(&python, b"capability") && holds(&python, b"root"));
        let java = placed(&pipeline(docker("apache/beam_java17_sdk:2.77.0")), &target).unwrap();
        assert_eq!(environments(&java).unwrap()[0].kind, "docker");
    }

    #[test]
    fn an_external_environment_names_its_pool() {
        let url = Encoder::new().text(1, "127.0.0.1:50000").finish();
        let pool = Encoder::new()
            .text(2, "beam:env:external:v1")
            .bytes(3, &Encoder::new().bytes(1, &url).finish())
            .bytes(6, b"")
            .finish();
        let embedded = Encoder::new().text(2, "beam:env:embedded_python:v1").finish();
        let components = Encoder::new().entry(5, "a", &pool).entry(5, "b", &embedded).finish();
        let pipeline = Encoder::new().bytes(1, &components).finish();
        let expected = [("external", "127.0.0.1:50000", 1), ("embedded_python", "", 0)];
        let read = environments(&pipeline).unwrap();
        let rows: Vec<_> = read.iter().map(|env| (&*env.kind, &*env.endpoint, env.dependencies)).collect();
        assert_eq!(rows, expected);
    }
}

//! Where the workers of an encoded pipeline run, and what must be staged for them.

use std::collections::{BTreeMap, BTreeSet};

use super::protobuf::{Encoder, Message};
use crate::error::Error;

/// One environment of a pipeline.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// Beam's word between `beam:env:` and the version: `external`, `docker`, `process`, `embedded_python`, …
    pub kind: String,
    /// What of its kind: the address of an external worker pool, the image of a container, the command of a process.
    pub endpoint: String,
    /// What a process finds in its environment besides what its parent has.
    pub variables: BTreeMap<String, String>,
    /// Files that must be staged before it can work.
    pub dependencies: usize,
}

/// The environments of an encoded pipeline.
///
/// # Errors
/// `malformed_response` for bytes that are no pipeline, or one with an environment in parts.
pub fn environments(pipeline: &[u8]) -> Result<Vec<Environment>, Error> {
    whole(pipeline)?.into_iter().map(environment).collect()
}

/// The environments as they were sent, each in one piece: of one in parts Beam would see what no part shows.
fn whole(pipeline: &[u8]) -> Result<Vec<Message<'_>>, Error> {
    let components = Message::read(Message::read(pipeline)?.once(1)?)?;
    let environment = |bytes| {
        let entry = Message::read(bytes)?;
        let environment = Message::read(entry.once(2)?)?;
        entry.once(1).and(environment.once(2)).and(environment.once(3))?;
        Ok(environment)
    };
    components.all(5).map(environment).collect()
}

fn environment(environment: Message<'_>) -> Result<Environment, Error> {
    let urn = environment.text(2);
    let kind = urn.strip_prefix("beam:env:").and_then(|rest| rest.split(':').next()).unwrap_or(&urn).to_owned();
    let payload = environment.bytes(3).unwrap_or_default();
    let (endpoint, variables) = match kind.as_str() {
        "external" => (endpoint(payload)?, BTreeMap::new()),
        "docker" => (Message::read(payload)?.text(1), BTreeMap::new()),
        "process" => (Message::read(payload)?.text(3), variables(payload)?),
        _ => Default::default(),
    };
    Ok(Environment { kind, endpoint, variables, dependencies: environment.all(6).count() })
}

fn variables(payload: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let variables = Message::read(payload)?.entries(4)?;
    Ok(variables.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned())).collect())
}

/// Where a job-server jar holds what was staged for its pipeline.
pub const ARTIFACTS: &str = "BEAM-PIPELINE/pipeline/artifacts/";
/// A file, by its path.
const FILE: &str = "beam:artifact:type:file:v1";

/// Names of the files beneath [`ARTIFACTS`] that the environments of an encoded pipeline need, each once.
///
/// # Errors
/// As [`environments`], and for a file that is elsewhere: a worker would be sent what a
/// runner's own process may read.
pub fn artifacts(pipeline: &[u8]) -> Result<BTreeSet<String>, Error> {
    whole(pipeline)?.into_iter().flat_map(|environment| environment.all(6)).map(artifact_name).collect()
}

fn artifact_name(bytes: &[u8]) -> Result<String, Error> {
    let artifact = Message::read(bytes)?;
    let path = Message::read(artifact.bytes(2).unwrap_or_default())?.text(1);
    let name = path.strip_prefix("classpath://").and_then(|path| path.strip_prefix(ARTIFACTS)).unwrap_or_default();
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if artifact.text(1) == FILE && is_hash {
        return Ok(name.to_owned());
    }
    Err(Error::malformed("the pipeline needs a file that was not staged for it"))
}

fn endpoint(payload: &[u8]) -> Result<String, Error> {
    let descriptor = Message::read(Message::read(payload)?.once(1)?)?;
    Ok(descriptor.text(1))
}

/// Listed by every Python program; it only tells a reader what was installed where the program ran.
const OWN_DEPENDENCY: &[u8] = b"submission_environment_dependencies.txt";
/// Part of the name of every image Beam starts Python workers from.
const PYTHON_IMAGE: &[u8] = b"beam_python";

/// The pipeline with its Python workers where a target runs them: programs that were told nothing ask for Beam's Docker
/// image, which is what they get where the target names no other. Other environments stay as they are.
///
/// # Errors
/// As [`environments`].
pub fn placed(pipeline: &[u8], target: &Environment) -> Result<Vec<u8>, Error> {
    whole(pipeline)?;
    let (urn, payload) = (format!("beam:env:{}:v1", target.kind), payload(target));
    let environment = |bytes| moved(bytes, &urn, payload.as_deref()).map(Some);
    let entry = |bytes| Message::read(bytes)?.edited(2, environment).map(Some);
    let components = |bytes| Message::read(bytes)?.edited(5, entry).map(Some);
    Message::read(pipeline)?.edited(1, components)
}

/// What Beam's SDKs write of such an environment; nothing of one that leaves the choice to the pipeline.
fn payload(target: &Environment) -> Option<Vec<u8>> {
    let endpoint = |number| Encoder::new().text(number, &target.endpoint);
    match target.kind.as_str() {
        "external" => Some(Encoder::new().bytes(1, &endpoint(1).finish()).finish()),
        "docker" if !target.endpoint.is_empty() => Some(endpoint(1).finish()),
        "process" => {
            let entry = |out: Encoder, (name, value): (&String, &String)| out.entry(4, name, value.as_bytes());
            Some(target.variables.iter().fold(endpoint(3), entry).finish())
        }
        "embedded_python" => Some(Vec::new()),
        _ => None,
    }
}

/// The pipeline without the files its environments would have staged: its workers are where they are already.
///
/// # Errors
/// As [`environments`].
pub fn unstaged(pipeline: &[u8]) -> Result<Vec<u8>, Error> {
    whole(pipeline)?;
    let environment = |bytes| Message::read(bytes)?.edited(6, |_| Ok(None)).map(Some);
    let entry = |bytes| Message::read(bytes)?.edited(2, environment).map(Some);
    let components = |bytes| Message::read(bytes)?.edited(5, entry).map(Some);
    Message::read(pipeline)?.edited(1, components)
}

fn moved(bytes: &[u8], urn: &str, payload: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    let is_own = |artifact: &[u8]| holds(artifact, OWN_DEPENDENCY);
    let bare = Message::read(bytes)?.edited(6, |artifact| Ok((!is_own(artifact)).then(|| artifact.to_vec())))?;
    let message = Message::read(&bare)?;
    let docker = message.bytes(2) == Some(b"beam:env:docker:v1");
    let is_default = docker && holds(message.bytes(3).unwrap_or_default(), PYTHON_IMAGE);
    let Some(payload) = payload.filter(|_| is_default) else { return Ok(bare) };
    let renamed = message.edited(2, |_| Ok(Some(urn.as_bytes().to_vec())))?;
    Message::read(&renamed)?.edited(3, |_| Ok(Some(payload.to_vec())))
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn pipeline(environment: Encoder) -> Vec<u8> {
        let components = Encoder::new().text(9, "x").entry(5, "e", &environment.finish()).finish();
        Encoder::new().bytes(1, &components).text(2, "root").finish()
    }

    #[test]
    fn pythons_docker_image_becomes_the_targets_environment() {
        let image = |name: &str| Encoder::new().text(1, name).finish();
        let artifact = Encoder::new().bytes(4, b"..submission_environment_dependencies.txt..").finish();
        let target = Environment { kind: "external".into(), endpoint: "pool:1".into(), ..Environment::default() };
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

    /// Of `tests/python/test_environments.py`, which compares the vector with what Beam makes.
    #[test]
    fn a_placed_environment_is_byte_for_byte_that_of_beams_own_sdk() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/beam/environments-2.77.0.json")).unwrap();
        let asks = |case: &serde_json::Value| {
            let payload = STANDARD.decode(case["payload"].as_str().unwrap()).unwrap();
            pipeline(Encoder::new().text(2, case["urn"].as_str().unwrap()).bytes(3, &payload))
        };
        let image = Encoder::new().text(1, "apache/beam_python3.11_sdk:2.77.0");
        let default = pipeline(Encoder::new().text(2, "beam:env:docker:v1").bytes(3, &image.finish()));
        for case in vector["environments"].as_array().unwrap() {
            let [target] = environments(&asks(case)).unwrap().try_into().unwrap();
            assert_eq!(placed(&default, &target).unwrap(), asks(case), "{case}");
        }
    }

    #[test]
    fn a_container_and_a_process_are_told_with_what_they_are() {
        let read = |kind: &str, payload: Encoder| {
            let environment = Encoder::new().text(2, kind).bytes(3, &payload.finish()).bytes(6, b"").finish();
            let all = Encoder::new().bytes(1, &Encoder::new().entry(5, "e", &environment).finish()).finish();
            assert_eq!(environments(&unstaged(&all).unwrap()).unwrap()[0].dependencies, 0);
            let [one] = environments(&all).unwrap().try_into().unwrap();
            (one.kind, one.endpoint, one.dependencies)
        };
        let image = Encoder::new().text(1, "acme/beam:1");
        assert_eq!(read("beam:env:docker:v1", image), ("docker".into(), "acme/beam:1".into(), 1));
        let command = Encoder::new().text(3, "/opt/boot");
        assert_eq!(read("beam:env:process:v1", command), ("process".into(), "/opt/boot".into(), 1));
    }

    #[test]
    fn only_what_was_staged_for_a_pipeline_is_needed() {
        let name = "ab".repeat(32);
        let needs = |kind: &str, path: &str| {
            let artifact = Encoder::new().text(1, kind).bytes(2, &Encoder::new().text(1, path).finish()).finish();
            artifacts(&pipeline(Encoder::new().text(2, "beam:env:external:v1").bytes(6, &artifact)))
        };
        let staged = format!("classpath://{ARTIFACTS}{name}");
        assert_eq!(needs(FILE, &staged).unwrap().into_iter().collect::<Vec<_>>(), [name]);
        for path in ["/etc/passwd", "classpath://BEAM-PIPELINE/pipeline/artifacts/../x", "file:///x"] {
            assert!(needs(FILE, path).is_err(), "{path}");
        }
        assert!(needs("beam:artifact:type:url:v1", &staged).is_err());
    }

    #[test]
    fn an_environment_that_is_sent_in_parts_is_refused() {
        let pool = |url: &str| Encoder::new().bytes(1, &Encoder::new().text(1, url).finish()).finish();
        let external = || Encoder::new().text(2, "beam:env:external:v1").bytes(3, &pool("pool:1"));
        let evil = || Encoder::new().text(2, "beam:env:process:v1").bytes(3, &Encoder::new().text(3, "/x").finish());
        let entry = |entry: Encoder| {
            let components = Encoder::new().bytes(5, &entry.finish()).finish();
            Encoder::new().bytes(1, &components).finish()
        };
        let one = |environment: Encoder| entry(Encoder::new().text(1, "e").bytes(2, &environment.finish()));
        let artifact = Encoder::new().bytes(6, b"").finish();
        let parts = [
            [pipeline(evil()), pipeline(external())].concat(),
            entry(Encoder::new().text(1, "e").bytes(2, &evil().finish()).bytes(2, &external().finish())),
            entry(Encoder::new().text(1, "e").text(1, "f").bytes(2, &external().finish())),
            one(evil().text(2, "beam:env:external:v1")),
            one(external().bytes(3, &pool("pool:1"))),
            entry(Encoder::new().text(1, "e").bytes(2, &artifact).bytes(2, &external().finish())),
        ];
        let target =
            |kind: &str| Environment { kind: kind.into(), endpoint: "pool:1".into(), ..Environment::default() };
        for (at, bytes) in parts.iter().enumerate() {
            assert!(environments(bytes).is_err(), "environments {at}");
            assert!(artifacts(bytes).is_err(), "artifacts {at}");
            assert!(unstaged(bytes).is_err(), "unstaged {at}");
            assert!(["external", "process"].iter().all(|kind| placed(bytes, &target(kind)).is_err()), "placed {at}");
        }
        let twice = Encoder::new().text(2, "beam:env:external:v1").bytes(3, &[pool("a:1"), pool("pool:1")].concat());
        assert!(environments(&one(twice)).is_err(), "two endpoints");
        for whole in [one(external()), Encoder::new().finish()] {
            assert!(environments(&whole).is_ok() && artifacts(&whole).is_ok() && unstaged(&whole).is_ok());
        }
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

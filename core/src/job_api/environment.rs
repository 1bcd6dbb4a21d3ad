//! Where the workers of an encoded pipeline run, and what must be staged for them.

use super::protobuf::Message;
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

#[cfg(test)]
mod tests {
    use super::{super::protobuf::Encoder, *};

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

//! Replays `tests/vectors/mcp`; its README says what a vector holds.

use std::{fs, path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fixture::{Fixture, serve, serve_line};
use crate::{effect::Response, engine::HttpRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    name: String,
    #[serde(default)]
    pub(super) request: Option<HttpForm>,
    #[serde(default)]
    response: Option<ResponseForm>,
    #[serde(default)]
    pub(super) line: Option<Value>,
    #[serde(default)]
    answer: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpForm {
    method: String,
    path: String,
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseForm {
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
}

/// A string is the text itself, anything else JSON to be written.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl HttpForm {
    pub(super) fn request(&self) -> HttpRequest {
        let repeated = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let pairs = self.headers.iter().flat_map(|(name, value)| {
            repeated(value).into_iter().map(move |value| (name.to_ascii_lowercase(), text(&value)))
        });
        HttpRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: pairs.collect(),
            body: self.body.as_ref().map(text).unwrap_or_default().into(),
            ..HttpRequest::default()
        }
    }
}

/// Every case of every file, in order.
pub(super) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/mcp");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let parse = |file: &std::path::PathBuf| -> Vec<Case> {
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{file:?}: {error}"))
    };
    files.iter().flat_map(parse).collect()
}

/// A vector without `error.message` leaves its wording open; it must be one short line.
fn compare(name: &str, body: &[u8], want: Option<&Value>) {
    let Some(want) = want.filter(|want| !want.is_null()) else {
        assert!(body.is_empty(), "{name}: {}", String::from_utf8_lossy(body));
        return;
    };
    let mut got: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    forget_messages(name, &mut got, want);
    assert_eq!(&got, want, "{name}");
}

fn forget_messages(name: &str, got: &mut Value, want: &Value) {
    if let (Value::Array(got), Value::Array(want)) = (&mut *got, want) {
        got.iter_mut().zip(want).for_each(|(got, want)| forget_messages(name, got, want));
        return;
    }
    let states_message = want["error"].get("message").is_some();
    if let Some(error) = got.get_mut("error").and_then(Value::as_object_mut).filter(|_| !states_message) {
        let message = error.remove("message").unwrap();
        let line = message.as_str().unwrap();
        assert!(!line.is_empty() && line.len() <= 200 && !line.contains('\n'), "{name}: {line}");
    }
}

fn check_response(case: &Case, got: &Response) {
    let want = case.response.as_ref().unwrap_or_else(|| panic!("{}: no response", case.name));
    assert_eq!(got.status, want.status, "{}: {}", case.name, got.body.text());
    for (header, value) in &want.headers {
        assert_eq!(got.header(header), value.as_str(), "{}: {header}", case.name);
    }
    compare(&case.name, got.body.as_slice(), want.body.as_ref());
}

#[test]
fn every_vector_is_answered_as_written() {
    let (fixture, cases) = (Arc::new(Fixture::new()), cases());
    for case in &cases {
        match (&case.request, &case.line) {
            (Some(request), None) => check_response(case, &serve(&fixture, request.request()).answer.unwrap()),
            (None, Some(line)) => {
                let got = serve_line(&fixture, &text(line), false).answer.unwrap();
                compare(&case.name, got.body.as_slice(), case.answer.as_ref());
            }
            _ => panic!("{}: a vector holds either a request or a line", case.name),
        }
    }
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two vectors share a name");
    assert!(cases.len() >= 100, "only {} vectors were found", cases.len());
}

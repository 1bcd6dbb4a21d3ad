//! Events of Lambda as requests, answers as what its front doors expect.
//!
//! # Source
//! Payload format 1.0 (API Gateway REST APIs) and 2.0 (HTTP APIs, function URLs); the shapes in
//! `tests/vectors/lambda`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use beam_mcp_core::{
    Error,
    effect::Response,
    engine::HttpRequest,
    url::{encode, query},
};
use serde::{Deserialize, Serialize};

type Values<T> = Option<BTreeMap<String, Option<T>>>;

/// Any event this function is invoked with; what belongs to other kinds of event is absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// `tick`: ours.
    #[serde(rename = "beam_mcp")]
    beam_mcp: Option<String>,
    /// `Scheduled Event` of `EventBridge`.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    version: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    path: Option<String>,
    http_method: Option<String>,
    headers: Values<String>,
    multi_value_headers: Values<Vec<String>>,
    multi_value_query_string_parameters: Values<Vec<String>>,
    request_context: RequestContext,
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext {
    stage: Option<String>,
    http: Option<Http>,
    identity: Option<Identity>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Http {
    method: String,
    source_ip: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

/// What an event asks for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// A round of the reconciler.
    Tick,
    /// An answer to a request.
    Http {
        /// The request.
        request: Box<HttpRequest>,
        /// Address of the caller, as the front door saw it.
        peer: String,
        /// What the answer must look like.
        format: Format,
    },
}

/// Payload formats of answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// 1.0: headers may repeat.
    V1,
    /// 2.0: repeated headers are joined.
    V2,
}

/// An answer to a front door.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    /// Named by format 2.0 beside the headers; this function sets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<[String; 0]>,
    body: String,
    is_base64_encoded: bool,
}

impl Event {
    /// What the event asks for.
    ///
    /// # Errors
    /// `invalid_argument`: an event of another service, or a body that is not base64 although it says so.
    pub fn read(self) -> Result<Asked, Error> {
        let scheduled = self.detail_type.as_deref() == Some("Scheduled Event");
        if self.beam_mcp.as_deref() == Some("tick") || scheduled {
            return Ok(Asked::Tick);
        }
        if self.version.as_deref() == Some("2.0") { self.read_v2() } else { self.read_v1() }
    }

    fn read_v2(mut self) -> Result<Asked, Error> {
        let Some(http) = self.request_context.http.take() else { return Err(foreign()) };
        let raw = self.raw_path.take().ok_or_else(foreign)?;
        let stage = self.request_context.stage.as_deref().filter(|stage| *stage != "$default");
        let request = HttpRequest {
            method: http.method,
            path: plain_path(without_stage(&raw, stage)),
            query: self.raw_query_string.take().unwrap_or_default(),
            headers: single(self.headers.take()),
            body: self.body()?.into(),
            staged: None,
        };
        Ok(Asked::Http { request: Box::new(request), peer: http.source_ip, format: Format::V2 })
    }

    fn read_v1(mut self) -> Result<Asked, Error> {
        let (Some(method), Some(path)) = (self.http_method.take(), self.path.take()) else { return Err(foreign()) };
        let headers = match self.multi_value_headers.take() {
            Some(headers) => multiple(headers),
            None => single(self.headers.take()),
        };
        let identity = self.request_context.identity.take().unwrap_or_default();
        let request = HttpRequest {
            method,
            path: plain_path(&path),
            query: joined(self.multi_value_query_string_parameters.take()),
            headers,
            body: self.body()?.into(),
            staged: None,
        };
        let peer = identity.source_ip.unwrap_or_default();
        Ok(Asked::Http { request: Box::new(request), peer, format: Format::V1 })
    }

    fn body(&mut self) -> Result<Vec<u8>, Error> {
        let text = self.body.take().unwrap_or_default();
        if !self.is_base64_encoded {
            return Ok(text.into_bytes());
        }
        STANDARD.decode(text).map_err(|_| Error::invalid("bad_event", "the body of the event is not base64"))
    }
}

fn foreign() -> Error {
    Error::invalid(
        "foreign_event",
        "the event is neither an HTTP request of API Gateway or a function URL nor a schedule",
    )
    .suggest("invoke the function through API Gateway, a function URL, or with {\"beam_mcp\": \"tick\"}")
}

/// HTTP APIs put the name of a named stage before the path.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// API Gateway decodes paths; what may not stand in one is encoded again.
fn plain_path(path: &str) -> String {
    path.chars().fold(String::with_capacity(path.len()), |mut plain, character| {
        if character.is_ascii_graphic() && !"\"<>\\^`{|}#?".contains(character) {
            plain.push(character);
        } else {
            plain.push_str(&encode(character.encode_utf8(&mut [0; 4])));
        }
        plain
    })
}

fn single(headers: Values<String>) -> Vec<(String, String)> {
    let pairs = headers.unwrap_or_default().into_iter();
    pairs.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value?))).collect()
}

fn multiple(headers: BTreeMap<String, Option<Vec<String>>>) -> Vec<(String, String)> {
    let each = |(name, values): (String, Option<Vec<String>>)| {
        let name = name.to_ascii_lowercase();
        values.unwrap_or_default().into_iter().map(move |value| (name.clone(), value))
    };
    headers.into_iter().flat_map(each).collect()
}

fn joined(parameters: Values<Vec<String>>) -> String {
    let parameters = parameters.unwrap_or_default();
    let encoded: Vec<(String, String)> = parameters
        .into_iter()
        .flat_map(|(name, values)| values.unwrap_or_default().into_iter().map(move |value| (encode(&name), value)))
        .collect();
    let pairs = encoded.iter().map(|(name, value)| (name.as_str(), Some(value.clone())));
    query(pairs).trim_start_matches('?').to_owned()
}

impl Reply {
    /// The answer in a payload format; bytes that are no text travel as base64.
    pub fn new(response: Response, format: Format) -> Self {
        let (body, is_base64_encoded) = match String::from_utf8(response.body.into_bytes()) {
            Ok(text) => (text, false),
            Err(error) => (STANDARD.encode(error.into_bytes()), true),
        };
        let mut reply = Self {
            status_code: response.status,
            headers: BTreeMap::new(),
            multi_value_headers: BTreeMap::new(),
            cookies: (format == Format::V2).then_some([]),
            body,
            is_base64_encoded,
        };
        for (name, value) in response.headers {
            reply.add(name, value, format);
        }
        reply
    }

    fn add(&mut self, name: String, value: String, format: Format) {
        match format {
            Format::V1 => self.multi_value_headers.entry(name).or_default().push(value),
            Format::V2 => {
                let joined = self.headers.entry(name).or_default();
                if !joined.is_empty() {
                    joined.push_str(", ");
                }
                joined.push_str(&value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn vector(name: &str) -> Event {
        let path = format!("{}/../tests/vectors/lambda/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn http(event: Event) -> (HttpRequest, String, Format) {
        match event.read().unwrap() {
            Asked::Http { request, peer, format } => (*request, peer, format),
            Asked::Tick => panic!("a tick"),
        }
    }

    #[test]
    fn every_front_door_says_the_same() {
        for (door, format) in [("http-api-v2", Format::V2), ("function-url", Format::V2), ("rest-api-v1", Format::V1)] {
            let mut bodies = Vec::new();
            for name in ["post-jobs", "post-jobs.base64"] {
                let (request, peer, found) = http(vector(&format!("{door}.{name}")));
                assert_eq!((request.method.as_str(), request.path.as_str(), found), ("POST", "/api/v1/jobs", format));
                assert_eq!(request.header("authorization"), Some("Bearer test-token"));
                assert_eq!(peer, "203.0.113.17");
                bodies.push(request.body);
            }
            assert_eq!(bodies[0], bodies[1]);
            let body: Value = serde_json::from_slice(bodies[0].as_slice()).unwrap();
            assert_eq!(body["pipeline"]["name"], "wörd-count");
            let (request, _, _) = http(vector(&format!("{door}.get-runners")));
            assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/api/v1/runners"));
            assert_eq!(request.query, "state=RUNNING&tag=a&tag=b%20c");
        }
    }

    fn event(json: Value) -> Event {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn paths_lose_their_stage_and_queries_keep_their_values() {
        let v2 = json!({"version": "2.0", "rawPath": "/prod/a b/ü%2F", "rawQueryString": "q=1%262&q=3",
            "requestContext": {"stage": "prod", "http": {"method": "GET", "sourceIp": "::1"}}});
        let (request, _, _) = http(event(v2));
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/a%20b/%C3%BC%2F", "q=1%262&q=3"));
        let v1 = json!({"httpMethod": "GET", "path": "/production", "headers": {"X-A": "1", "X-None": null},
            "multiValueQueryStringParameters": {"q": ["1&2", "3"], "r r": [""]},
            "requestContext": {"stage": "prod"}});
        let (request, _, _) = http(event(v1));
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/production", "q=1%262&q=3&r%20r="));
        assert_eq!(request.headers, [("x-a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn schedules_are_ticks_and_other_events_are_refused() {
        let schedule = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
        assert_eq!(event(schedule).read(), Ok(Asked::Tick));
        assert_eq!(event(json!({"beam_mcp": "tick"})).read(), Ok(Asked::Tick));
        for other in [json!({}), json!({"Records": []}), json!({"version": "2.0", "rawPath": "/"})] {
            assert_eq!(event(other).read().unwrap_err().reason(), "foreign_event");
        }
        let broken = json!({"httpMethod": "POST", "path": "/", "body": "?", "isBase64Encoded": true});
        assert_eq!(event(broken).read().unwrap_err().reason(), "bad_event");
    }

    #[test]
    fn answers_fit_their_format() {
        let response = || Response {
            status: 200,
            headers: vec![("vary".into(), "a".into()), ("vary".into(), "b".into())],
            body: vec![0xff].into(),
        };
        let v1 = serde_json::to_value(Reply::new(response(), Format::V1)).unwrap();
        assert_eq!(v1["multiValueHeaders"], json!({"vary": ["a", "b"]}));
        let v2 = serde_json::to_value(Reply::new(response(), Format::V2)).unwrap();
        let headers = json!({"vary": "a, b"});
        let expected =
            json!({"statusCode": 200, "headers": headers, "cookies": [], "body": "/w==", "isBase64Encoded": true});
        assert_eq!(v2, expected);
    }
}

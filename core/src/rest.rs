//! REST: routes and envelopes, a table over the verbs.

mod documents;
mod envelope;
mod health;
mod openapi;
mod precondition;
mod route;
mod shim;

pub use envelope::failure;
pub use openapi::openapi;
pub use route::{BODY_LIMIT, ROUTES, Route, UPLOAD_LIMIT, body_rule, is_public};

use serde_json::{Map, Value};

use crate::{
    effect::Response,
    engine::HttpRequest,
    error::{Error, ErrorKind},
    json,
    verb::{self, Context},
};
use route::{Does, Found, find};

/// Answers a request that was admitted.
///
/// # Errors
/// What becomes the error envelope: unknown route, wrong method, bad body, or what the verb answers.
pub async fn handle(context: Context, request: HttpRequest) -> Result<Response, Error> {
    let Found { route, arguments } = find(&request.method, &request.path)?;
    let mut input = read_body(&request)?;
    read_query(&mut input, &request.query)?;
    for (name, value) in arguments {
        put(&mut input, name, value.into())?;
    }
    match route.does {
        Does::Verb { name, adapt } => {
            read_key(&mut input, &request)?;
            adapt(&mut input, &context);
            let verb = verb::find(name).ok_or_else(|| verb::unknown(name))?;
            if let Some(unlike) = precondition::unmet(&context, name, &mut input, &request).await? {
                return Ok(unlike);
            }
            let output = verb.run(context.clone(), Value::Object(input)).await?;
            Ok(envelope::success(&context, name, output))
        }
        Does::Page(page) => page(context, request, input).await,
    }
}

fn read_body(request: &HttpRequest) -> Result<Map<String, Value>, Error> {
    let bytes = request.body.as_slice();
    if bytes.is_empty() || request.method == "GET" {
        return Ok(Map::new());
    }
    let media = request.header("content-type").unwrap_or_default();
    if media.split(';').next().is_none_or(|media| !media.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Error::new(ErrorKind::UnsupportedMediaType, "not_json", "the body must be application/json"));
    }
    match json::parse(bytes, json::MAX_DEPTH)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::invalid("not_an_object", "the body must be a JSON object")),
    }
}

fn read_query(input: &mut Map<String, Value>, query: &str) -> Result<(), Error> {
    let pairs = crate::url::pairs(query)
        .ok_or_else(|| Error::invalid("bad_query", "the query is not percent-encoded UTF-8"))?;
    for (name, value) in pairs {
        let value = route::typed(&name, value)?;
        put(input, &name, value)?;
    }
    Ok(())
}

fn put(input: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Error> {
    match input.get(name) {
        Some(there) if *there != value => Err(Error::invalid(
            "contradicting_values",
            format!("`{}` has two different values", crate::text::clean_line(name, 64)),
        )),
        _ => {
            input.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

/// The `Idempotency-Key` header is the same as the member.
fn read_key(input: &mut Map<String, Value>, request: &HttpRequest) -> Result<(), Error> {
    match request.header("idempotency-key") {
        Some(key) if request.method != "GET" => put(input, "idempotency_key", key.into()),
        _ => Ok(()),
    }
}

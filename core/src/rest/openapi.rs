//! The `OpenAPI` 3.1 document, made of the routes and the verbs' own schemas.

use serde_json::{Map, Value, json};

use super::{
    documents::page,
    route::{Input, PageFuture, ROUTES, Route, is_public},
};
use crate::{
    effect::Response,
    engine::HttpRequest,
    error::ErrorKind,
    verb::{self, Context},
};

/// The route of the document.
pub(super) fn document(_: Context, _: HttpRequest, _: Input) -> PageFuture {
    page(async { Ok(Response::json(200, &openapi())) })
}

/// The document.
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "beam-mcp", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "MIT OR Apache-2.0"}},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "schemas": {"Error": error_schema()},
        },
    })
}

fn operation(route: &Route) -> Value {
    let verb = route.verb().and_then(verb::find);
    let mut operation = json!({
        "summary": route.summary,
        "operationId": format!("{}{}", route.method.to_ascii_lowercase(), route.path.replace(['/', '{', '}', '.'], "_")),
        "parameters": parameters(route, verb),
        "responses": responses(verb),
    });
    let Some(map) = operation.as_object_mut() else { return operation };
    if !is_public(route.path) {
        map.insert("security".into(), json!([{}, {"bearer": []}, {"apiKey": []}]));
    }
    if let (true, Some(verb)) = (has_body(route), verb) {
        map.insert("requestBody".into(), json!({"content": {"application/json": {"schema": body(route, verb)}}}));
    }
    operation
}

/// What takes no body has the rest of its input in the query.
fn has_body(route: &Route) -> bool {
    !matches!(route.method, "GET" | "DELETE")
}

fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameters(route: &Route, verb: Option<&verb::Verb>) -> Vec<Value> {
    let in_path = path_names(route.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let schema = verb.filter(|_| !has_body(route)).map(|verb| (verb.input_schema)()).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let in_query = properties
        .into_iter()
        .filter(|(name, _)| !path_names(route.path).any(|there| there == name))
        .map(|(name, schema)| json!({"name": name, "in": "query", "required": false, "schema": schema}));
    let if_match = matches!(route.verb(), Some("update_context" | "delete_context"))
        .then(|| json!({"name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"}}));
    in_path.chain(in_query).chain(if_match).collect()
}

/// The verb's input without what the path holds.
fn body(route: &Route, verb: &verb::Verb) -> Value {
    let mut schema = (verb.input_schema)();
    for name in path_names(route.path) {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove(name);
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|there| there != name);
        }
    }
    schema
}

fn responses(verb: Option<&verb::Verb>) -> Value {
    let data = verb.map_or_else(|| json!({"type": "object"}), |verb| (verb.output_schema)());
    let envelope = json!({"type": "object", "properties": {
        "success": {"type": "boolean"}, "message": {"type": "string"}, "data": data, "error": {"type": "null"},
        "context": {"type": "object"}, "metadata": {"type": "object"}}});
    let content = json!({"application/json": {"schema": envelope}});
    json!({
        "2XX": {"description": "done, or 202: it goes on", "content": content},
        "default": {"description": "refused", "content": {"application/json": {"schema": {
            "type": "object", "properties": {"success": {"const": false}, "error": {"$ref": "#/components/schemas/Error"}}}}}},
    })
}

fn error_schema() -> Value {
    let codes: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    json!({"type": "object", "required": ["code", "message", "details", "retryable"], "properties": {
        "code": {"enum": codes},
        "message": {"type": "string"},
        "details": {"type": "object", "properties": {"reason": {"type": "string"}, "suggestion": {"type": "string"}}},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "retry_after_ms": {"type": "integer"},
    }})
}

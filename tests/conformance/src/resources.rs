use beam_mcp_core::mcp::{Resource, ResourceContents, ResourcePage, ResourceTemplate};
use serde_json::json;

use crate::surface::{PNG, blob};

const STATIC: [(&str, &str); 3] = [
    ("test://static-text", "text/plain"),
    ("test://static-binary", "image/png"),
    ("test://watched-resource", "text/plain"),
];

/// The one page.
pub(crate) fn list() -> ResourcePage {
    let resource = |(uri, mime_type): &(&str, &str)| Resource {
        uri: (*uri).into(),
        name: uri.trim_start_matches("test://").into(),
        description: Some("Read by the conformance suite.".into()),
        mime_type: Some((*mime_type).into()),
        ..Resource::default()
    };
    ResourcePage { resources: STATIC.iter().map(resource).collect(), next_cursor: None }
}

/// The one pattern.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![ResourceTemplate {
        uri_template: "test://template/{id}/data".into(),
        name: "template-data".into(),
        title: "Data of an id".into(),
        description: "Read by the conformance suite.".into(),
        mime_type: "application/json".into(),
    }]
}

/// What is there.
pub(crate) fn read(uri: &str) -> Option<ResourceContents> {
    match uri {
        "test://static-binary" => Some(blob(uri, "image/png", PNG)),
        "test://static-text" | "test://watched-resource" => {
            Some(ResourceContents::text(uri, "text/plain", "This is the content of the static text resource."))
        }
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            Some(ResourceContents::text(uri, "application/json", data.to_string()))
        }
    }
}

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Id, Surface, Version, exchange::Client, plan::Plan, protocol_error::ProtocolError, wire};

/// Items per page.
const PAGE: usize = 50;

type Planned = Result<Plan, ProtocolError>;

/// `tools/list`: one page, in the surface's order. Views are named to clients that render them, and not to a cache that
/// others share.
pub(super) fn tools<S: Surface>(surface: &S, id: &Id, params: &Map<String, Value>, client: &Client) -> Planned {
    let (page, next) = page("tools", surface.tools(), params)?;
    if surface.features().apps && client.renders_apps() {
        let tools = wire::Tools::new(page, next, client.version, |tool| surface.view_of(tool));
        return Ok(Plan::Ready(wire::of_client(id, surface.info(), client.version, tools)));
    }
    let tools = wire::Tools::new(page, next, client.version, |_| None);
    Ok(Plan::Ready(wire::public(id, surface.info(), client.version, tools)))
}

/// `resources/templates/list`
pub(super) fn templates<S: Surface>(surface: &S, id: &Id, params: &Map<String, Value>, version: Version) -> Planned {
    let (page, next) = page("templates", surface.resource_templates(), params)?;
    Ok(Plan::Ready(wire::public(id, surface.info(), version, wire::Templates::new(page, next))))
}

/// `prompts/list`
pub(super) fn prompts<S: Surface>(surface: &S, id: &Id, params: &Map<String, Value>, version: Version) -> Planned {
    let (page, next) = page("prompts", surface.prompts(), params)?;
    Ok(Plan::Ready(wire::public(id, surface.info(), version, wire::Prompts::new(page, next))))
}

/// The items of a page and the cursor of the next one.
fn page<'a, T>(
    list: &str,
    items: &'a [T],
    params: &Map<String, Value>,
) -> Result<(&'a [T], Option<String>), ProtocolError> {
    let start = match params.get("cursor").unwrap_or(&Value::Null) {
        Value::Null => Some(0),
        Value::String(cursor) => (PAGE..items.len()).step_by(PAGE).find(|start| encode(list, *start) == *cursor),
        _ => None,
    };
    let start = start.ok_or_else(ProtocolError::unknown_cursor)?;
    let end = items.len().min(start + PAGE);
    let next = (end < items.len()).then(|| encode(list, end));
    Ok((items.get(start..end).unwrap_or_default(), next))
}

fn encode(list: &str, start: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{start}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(cursor: Value) -> Map<String, Value> {
        Map::from_iter([("cursor".to_owned(), cursor)])
    }

    #[test]
    fn pages_cover_all_items_once_and_unknown_cursors_are_refused() {
        let items: Vec<usize> = (0..=PAGE * 2).collect();
        let (mut cursor, mut seen, mut pages) = (Value::Null, Vec::new(), 0);
        loop {
            let (some, next) = page("tools", &items, &at(cursor)).unwrap();
            seen.extend_from_slice(some);
            pages += 1;
            let Some(next) = next else { break };
            cursor = next.into();
        }
        assert_eq!((pages, seen), (3, items.clone()));
        let own = |start| Value::from(encode("tools", start));
        for bad in [json!(""), own(0), own(1), own(PAGE * 3), encode("prompts", PAGE).into(), json!(50)] {
            assert!(page("tools", &items, &at(bad.clone())).is_err(), "{bad}");
        }
        assert_eq!(page::<usize>("tools", &[], &Map::new()), Ok((&[][..], None)));
    }
}

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Id, Surface, Tool, Version, plan::Plan, protocol_error::ProtocolError, wire};

/// Tools per page.
const PAGE: usize = 50;

/// `tools/list`: one page, in the surface's order.
pub(super) fn plan<S: Surface>(
    surface: &S,
    id: &Id,
    params: &Map<String, Value>,
    version: Version,
) -> Result<Plan, ProtocolError> {
    let (page, next) = page(surface.tools(), params.get("cursor").unwrap_or(&Value::Null))
        .ok_or_else(|| ProtocolError::invalid_params("unknown `cursor`; list again from the first page"))?;
    Ok(Plan::Ready(wire::success(id, wire::ToolPage::new(surface.info(), page, next, version))))
}

/// The tools of a page and the cursor of the next one; `None` for a cursor that was never given out.
fn page<'a>(tools: &'a [Tool], cursor: &Value) -> Option<(&'a [Tool], Option<String>)> {
    let start = match cursor {
        Value::Null => 0,
        Value::String(cursor) => (PAGE..tools.len()).step_by(PAGE).find(|start| encode(*start) == *cursor)?,
        _ => return None,
    };
    let end = tools.len().min(start + PAGE);
    let next = (end < tools.len()).then(|| encode(end));
    tools.get(start..end).map(|tools| (tools, next))
}

fn encode(start: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("tools:{start}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tests::fixture::tool;

    #[test]
    fn pages_cover_all_tools_once_and_unknown_cursors_are_refused() {
        let tools: Vec<Tool> = (0..=PAGE * 2).map(|number| tool(&format!("tool_{number}"))).collect();
        let (mut cursor, mut seen, mut pages) = (Value::Null, Vec::new(), 0);
        loop {
            let (some, next) = page(&tools, &cursor).unwrap();
            seen.extend(some.iter().map(|tool| tool.name.clone()));
            pages += 1;
            let Some(next) = next else { break };
            cursor = next.into();
        }
        assert_eq!(pages, 3);
        assert_eq!(seen, tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>());
        for bad in [Value::from(""), encode(0).into(), encode(1).into(), encode(PAGE * 3).into(), 50.into()] {
            assert!(page(&tools, &bad).is_none(), "{bad}");
        }
        assert_eq!(page(&[], &Value::Null), Some((&[][..], None)));
    }
}

use serde_json::Value;

/// Deeper than any JSON that is read here.
const DEEPEST: u32 = 128;
/// Words whose values are no schemas.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];
/// Words whose values have schemas under names.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Shows every object in a schema that may be a schema itself, the outer ones first.
///
/// # Errors
/// The first one of what sees them.
pub(super) fn each<'a, E>(schema: &'a Value, see: &mut dyn FnMut(&'a Value) -> Result<(), E>) -> Result<(), E> {
    within(schema, DEEPEST, see)
}

fn within<'a, E>(value: &'a Value, depth: u32, see: &mut dyn FnMut(&'a Value) -> Result<(), E>) -> Result<(), E> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| within(item, depth, see)),
        Value::Object(words) => {
            see(value)?;
            let schemas = words.iter().filter(|(word, _)| !DATA.contains(&word.as_str()));
            schemas.map(|(word, value)| (NAMED.contains(&word.as_str()), value)).try_for_each(|inner| match inner {
                (true, Value::Object(named)) => named.values().try_for_each(|schema| within(schema, depth, see)),
                (_, value) => within(value, depth, see),
            })
        }
        _ => Ok(()),
    }
}

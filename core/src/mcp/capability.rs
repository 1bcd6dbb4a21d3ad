use serde_json::Value;

/// True when every key that is required is declared, at every level: `{"sampling": {}}` is covered by
/// `{"sampling": {"tools": {}}}`, not the other way round.
pub(super) fn covers(declared: &Value, required: &Value) -> bool {
    match required {
        Value::Object(required) => {
            declared.is_object()
                && required.iter().all(|(key, inner)| declared.get(key).is_some_and(|d| covers(d, inner)))
        }
        other => declared == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn required_keys_must_be_declared() {
        let declared = json!({"sampling": {"tools": {}}, "elicitation": true});
        assert!(covers(&declared, &json!({})));
        assert!(covers(&declared, &json!({"sampling": {}})));
        assert!(covers(&declared, &json!({"sampling": {"tools": {}}})));
        assert!(!covers(&declared, &json!({"sampling": {"context": {}}})));
        assert!(!covers(&declared, &json!({"elicitation": {}})));
        assert!(!covers(&json!({}), &json!({"roots": {}})));
    }
}

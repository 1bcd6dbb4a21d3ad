use serde_json::Value;

use super::Question;

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

/// True when the client can be asked this. An elicitation without a mode means forms.
pub(super) fn allows(declared: &Value, question: &Question) -> bool {
    let takes_forms =
        |modes: &Value| modes.as_object().is_some_and(|modes| modes.is_empty() || modes.contains_key("form"));
    match question {
        Question::Elicit { .. } => declared.get("elicitation").is_some_and(takes_forms),
        Question::Sample(_) | Question::Roots => covers(declared, &question.capability()),
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

    #[test]
    fn only_what_is_declared_is_asked() {
        let form = Question::Elicit { message: String::new(), schema: json!({}) };
        for (declared, allowed) in [
            (json!({"elicitation": {}}), true),
            (json!({"elicitation": {"form": {}, "url": {}}}), true),
            (json!({"elicitation": {"url": {}}}), false),
            (json!({"elicitation": true}), false),
            (json!({"sampling": {}}), false),
            (Value::Null, false),
        ] {
            assert_eq!(allows(&declared, &form), allowed, "{declared}");
        }
        assert!(allows(&json!({"roots": {}}), &Question::Roots));
        assert!(!allows(&json!({}), &Question::Sample(json!({}))));
    }
}

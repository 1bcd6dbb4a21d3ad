use super::verdict::Verdict;

/// What one judgement may take, in steps of about a tenth of a microsecond: some milliseconds, whatever a server sends.
const MOST: usize = 30_000;
/// Bytes that are compared or counted in one step.
const TEXT: usize = 256;

/// How much may still be looked at while a value is held against a schema. Both come from the server, which may be one
/// that wants to keep its client busy: whatever goes on with their size is paid for.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// What is wrong with a branch is not told: there are others.
    quiet: bool,
}

/// Nothing more can be said: there is more to look at than is worth it.
#[derive(Debug)]
pub(super) struct Spent;

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST, quiet: false }
    }
}

impl Budget {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        self.left = self.left.checked_sub(steps).ok_or(Spent)?;
        Ok(())
    }

    /// Pays for a look at a text.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Spent> {
        self.spend(1 + text.len() / TEXT)
    }

    /// Tells nothing of what is wrong from here on, or does again; what it was.
    pub(super) fn hush(&mut self, quiet: bool) -> bool {
        std::mem::replace(&mut self.quiet, quiet)
    }

    /// A value that is wrong, and how, where that is told.
    pub(super) fn wrong(&self, what: impl FnOnce() -> String) -> Verdict {
        Verdict::Wrong { place: String::new(), what: if self.quiet { String::new() } else { what() } }
    }
}

impl Verdict {
    pub(super) fn unless(is: bool, budget: &Budget, what: impl FnOnce() -> String) -> Self {
        if is { Self::Fits } else { budget.wrong(what) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::super::fault;

    const MANY: usize = super::MOST + 1000;

    fn names(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|number| format!("n{number:06}"))
    }

    fn object(count: usize, of: &Value) -> Value {
        Value::Object(names(count).map(|name| (name, of.clone())).collect::<Map<_, _>>())
    }

    fn repeated(count: usize, one: &Value) -> Vec<Value> {
        vec![one.clone(); count]
    }

    /// Each of these is wrong in the end, which a judge that looks at everything says after a while.
    fn hostile() -> Vec<(&'static str, Value, Value)> {
        let to = |at: &str| json!({"$ref": at});
        let wrong = |first: &Value| json!({"allOf": [first, false]});
        let every = |one: &Value| repeated(MANY, one);
        let (many, text) = (object(MANY, &json!(1)), "x".repeat(4 * super::MOST));
        let missing: Vec<String> = names(MANY).chain(["missing".into()]).collect();
        let numbers = |count: usize| json!((0..count).collect::<Vec<_>>());
        let anchored = json!({"$ref": "#z", "a": every(&json!({})), "z": {"$anchor": "z", "not": {}}});
        // As often as makes more than enough of one text.
        let often = |one: &Value| repeated(2 * MANY * super::TEXT / text.len(), one);
        vec![
            ("schemas without end", wrong(&json!({"allOf": every(&to("#"))})), json!({})),
            ("an anchor behind many", anchored, json!(1)),
            ("values it may be", json!({"enum": numbers(MANY)}), json!("x")),
            ("deep values it may be", json!({"enum": every(&json!([[1]]))}), json!([[2]])),
            ("long values it may be", json!({"enum": often(&json!(format!("{text}x")))}), json!(format!("{text}y"))),
            ("names it must have", json!({"required": missing}), many.clone()),
            ("names of names", wrong(&json!({"dependentRequired": object(MANY, &json!([]))})), many.clone()),
            ("schemas of names", wrong(&json!({"dependentSchemas": object(MANY, &json!(true))})), many.clone()),
            ("members", wrong(&json!({"propertyNames": true})), many.clone()),
            (
                "items unlike each other",
                wrong(&json!({"items": {"uniqueItems": true}})),
                json!(repeated(9, &numbers(250))),
            ),
            ("kinds", json!({"type": every(&json!("string"))}), json!(1)),
            ("long lengths", wrong(&json!({"allOf": often(&json!({"maxLength": 1 << 30}))})), json!(text)),
            ("a long reference", wrong(&to(&format!("#/{text}"))), json!(1)),
            ("words", wrong(&many), json!(1)),
            ("branches", json!({"anyOf": every(&json!(false))}), json!(1)),
            ("items one of which it must have", json!({"contains": false}), json!(every(&json!(1)))),
        ]
    }

    #[test]
    fn whatever_goes_on_and_on_is_left_unjudged() {
        for (what, schema, value) in hostile() {
            assert_eq!(fault(&schema, &value), None, "{what}");
        }
    }

    #[test]
    fn what_tools_answer_is_within_the_budget() {
        let job = json!({"type": "object", "required": ["job_id", "state"], "additionalProperties": false, "properties": {
            "job_id": {"type": "string", "minLength": 3}, "state": {"enum": ["RUNNING", "FAILED", "FINISHED"]},
            "end": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "labels": {"$ref": "#labels"}}});
        let schema = json!({"type": "object", "properties": {"jobs": {"type": "array", "items": job}},
            "$defs": {"labels": {"$anchor": "labels", "additionalProperties": {"type": "string"}}}});
        let fine = json!({"job_id": "sim:1", "state": "FINISHED", "end": null, "labels": {"a": "b", "c": "d"}});
        let mut jobs = repeated(500, &fine);
        assert_eq!(fault(&schema, &json!({"jobs": jobs})), None);
        jobs.push(json!({"job_id": "sim:1", "state": "ENDED"}));
        assert_eq!(
            fault(&schema, &json!({"jobs": jobs})).as_deref(),
            Some("/jobs/500/state: is none of the values it may be")
        );
    }
}

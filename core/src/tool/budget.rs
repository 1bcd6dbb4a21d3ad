//! `max_tokens` of reading tools: how much of a model's context an answer may take.

use serde_json::{Map, Value, json};

use crate::{
    error::Error,
    verb::{Context, Verb},
};

const MEMBER: &str = "max_tokens";
/// About so many bytes are a token.
const BYTES_PER_TOKEN: usize = 4;
/// Fewer tokens hold no answer worth reading.
const LEAST: u64 = 200;

/// Tools whose answers can be long, with the member that bounds a page of them, where they come in pages.
const LONG: [(&str, Option<&str>); 3] =
    [("get_logs", Some("max_results")), ("list_jobs", Some("limit")), ("get_metrics", None)];

/// The bound in an input schema, for the tools that have it.
pub(super) fn describe(tool: &str, schema: &mut Value) {
    let told = json!({"type": "integer", "minimum": LEAST, "description": "Most tokens of the answer, about."});
    if LONG.iter().any(|(name, _)| *name == tool)
        && let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut)
    {
        members.insert(MEMBER.into(), told);
    }
}

/// Takes the bound out of the arguments: most bytes of the answer.
pub(super) fn take(tool: &str, arguments: &mut Map<String, Value>) -> Result<Option<usize>, Error> {
    if !LONG.iter().any(|(name, _)| *name == tool) {
        return Ok(None);
    }
    match arguments.remove(MEMBER) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => match given.as_u64().filter(|tokens| *tokens >= LEAST) {
            Some(tokens) => Ok(Some(usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN))),
            None => Err(Error::invalid("bad_max_tokens", format!("`{MEMBER}` must be an integer of at least {LEAST}"))),
        },
    }
}

/// Runs a reading verb within a bound: a smaller page where there are pages, else without the last entries.
pub(super) async fn run(
    context: Context,
    verb: &Verb,
    mut arguments: Map<String, Value>,
    most: usize,
) -> Result<Value, Error> {
    let mut output = verb.run(context.clone(), arguments.clone().into()).await?;
    let page = LONG.iter().find(|(name, _)| *name == verb.name).and_then(|(_, page)| *page);
    let Some(page) = page else { return Ok(cut(output, most)) };
    while let Some(fewer) = smaller(&output, most) {
        arguments.insert(page.to_owned(), fewer.into());
        output = verb.run(context.clone(), arguments.clone().into()).await?;
        if fewer == 1 {
            break;
        }
    }
    Ok(output)
}

/// How many entries of a page that is too long would fit, at most half as many as there are.
fn smaller(output: &Value, most: usize) -> Option<usize> {
    let bytes = output.to_string().len();
    let entries = ["logs", "jobs"].iter().find_map(|name| output.get(name)?.as_array()).map_or(0, Vec::len);
    (bytes > most && entries > 1).then(|| (entries * most / bytes).min(entries / 2).max(1))
}

/// Leaves out entries from the end of the longest list until the rest fits, and says how many.
fn cut(mut output: Value, most: usize) -> Value {
    let mut left_out = 0;
    while output.to_string().len() > most {
        let Some(list) = longest(&mut output) else { break };
        let gone = list.len().div_ceil(4);
        list.truncate(list.len() - gone);
        left_out += gone;
    }
    if left_out > 0
        && let Some(members) = output.as_object_mut()
    {
        let notes = members.entry("notes").or_insert_with(|| json!([]));
        let note = format!("{left_out} entries were left out to fit {MEMBER}: ask with more");
        notes.as_array_mut().into_iter().for_each(|notes| notes.push(note.clone().into()));
    }
    output
}

fn longest(output: &mut Value) -> Option<&mut Vec<Value>> {
    let lists = output.as_object_mut()?.iter_mut().filter(|(name, _)| *name != "notes");
    lists.filter_map(|(_, value)| value.as_array_mut()).filter(|list| !list.is_empty()).max_by_key(|list| list.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_read_and_taken_out() {
        let mut arguments = Map::from_iter([(MEMBER.to_owned(), json!(300)), ("job_id".to_owned(), json!("a"))]);
        assert_eq!(take("get_logs", &mut arguments).unwrap(), Some(1200));
        assert!(!arguments.contains_key(MEMBER));
        for bad in [json!(1), json!(-1), json!("x"), json!(1e9), json!({})] {
            let mut arguments = Map::from_iter([(MEMBER.to_owned(), bad.clone())]);
            assert_eq!(take("get_logs", &mut arguments).unwrap_err().reason(), "bad_max_tokens", "{bad}");
        }
        let mut other = Map::from_iter([(MEMBER.to_owned(), json!(300))]);
        assert_eq!(take("get_job", &mut other).unwrap(), None);
        assert!(other.contains_key(MEMBER), "the verb refuses what it does not know");
    }

    #[test]
    fn a_page_shrinks_to_what_fits() {
        let lines = |count: usize| json!({"logs": vec!["0123456789"; count]});
        assert_eq!(smaller(&lines(10), 1000), None);
        assert_eq!(smaller(&lines(100), 650), Some(49));
        assert_eq!(smaller(&lines(2), 4), Some(1));
        assert_eq!(smaller(&lines(1), 4), None);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let told = cut(json!({"job_id": "a", "system": vec![json!({"name": "n"}); 100], "user": [1]}), 500);
        assert!(told.to_string().len() < 650, "{told}");
        let kept = told["system"].as_array().unwrap().len();
        assert_eq!(told["notes"][0], format!("{} entries were left out to fit max_tokens: ask with more", 100 - kept));
        assert_eq!(told["user"], json!([1]));
        let whole = json!({"system": [1]});
        assert_eq!(cut(whole.clone(), 500), whole);
    }
}

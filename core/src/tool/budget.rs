//! How much of a model's context the answer of a reading tool may take: what `max_tokens` says, or a bound of our own.

use serde_json::{Map, Value, json};

use crate::{
    error::Error,
    text::clean,
    verb::{Context, Hints, Verb},
};

const MEMBER: &str = "max_tokens";
/// About so many bytes are a token.
const BYTES_PER_TOKEN: usize = 4;
/// Fewer tokens hold no answer worth reading.
const LEAST: u64 = 200;
const MORE: &str = "ask with more max_tokens";
const CUT: &str = " [cut: ask with more max_tokens]";
/// Of a wait, whose next answer tells differences from the text that was cut.
const CUT_WAIT: &str = " [cut: ask with whole and more max_tokens]";
/// What a pipeline or a runner may say at length.
const TEXTS: [&str; 2] = ["diagnostics", "message"];
/// Members of an answer that may lose their last entries; all others are facts that a caller goes on by.
const ENTRIES: [&str; 5] = ["runners", "stages", "system", "user", "metrics"];

/// Tools whose answers come in pages, with the member that bounds one.
const PAGED: [(&str, &str); 2] = [("get_logs", "max_results"), ("list_jobs", "limit")];

/// Tools whose answers are long without being asked for: what is said when the heaviest went, and where all of it is.
const WHOLE: [(&str, &str, &str); 2] = [
    (
        "get_graph",
        "the picture was left out: read beam://{target}/jobs/{id}/plan.svg",
        "read beam://{target}/jobs/{id}/plan",
    ),
    (
        "list_runners",
        "long presets, facts and config were left out: read beam://{target}/runner",
        "ask with runner_type, or read beam://runners",
    ),
];
/// Most tokens of theirs where a call says nothing.
const MOST: usize = 10_000;

const EMPTY: &str = "{}";
/// Members of a runner that can be long, and that its resource has.
const HEAVY: [&str; 3] = ["presets", "facts", "config"];

/// The bound in the input schema of a tool that reads, and in the output schema what may say that it was needed.
pub(super) fn describe(verb: &Verb, input: &mut Value, output: &mut Value) {
    let add = |schema: &mut Value, name: &str, told: Value| {
        if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            members.insert(name.into(), told);
        }
    };
    if verb.hints == Hints::Read {
        add(input, MEMBER, json!({"type": "integer", "minimum": LEAST}));
    }
    if verb.name == "list_runners" {
        add(output, "notes", json!({"type": "array"}));
    }
}

/// Takes the bound out of the arguments: most bytes of the answer.
pub(super) fn take(verb: &Verb, arguments: &mut Map<String, Value>) -> Result<Option<usize>, Error> {
    if verb.hints != Hints::Read {
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

/// Runs a verb whose answer has at most so many bytes, where a bound is given: a smaller page where there are pages.
pub(super) async fn run(
    context: Context,
    verb: &Verb,
    mut arguments: Map<String, Value>,
    most: Option<usize>,
) -> Result<Value, Error> {
    let page = PAGED.iter().find(|(name, _)| *name == verb.name).map(|(_, page)| *page);
    let Some((page, bound)) = page.zip(most) else { return verb.run(context, arguments.into()).await };
    let mut output = verb.run(context.clone(), arguments.clone().into()).await?;
    while let Some(fewer) = smaller(&output, bound) {
        arguments.insert(page.to_owned(), fewer.into());
        output = verb.run(context.clone(), arguments.clone().into()).await?;
        if fewer == 1 {
            break;
        }
    }
    Ok(output)
}

/// An answer as it was, or shortened to the bound of its call or its tool: without what is heaviest and read elsewhere,
/// then with its long texts cut, then without the last entries.
pub(super) fn fit(tool: &str, mut output: Value, most: Option<usize>) -> Value {
    let whole = WHOLE.iter().find(|(name, ..)| *name == tool);
    let Some(most) = most.or_else(|| whole.map(|_| MOST * BYTES_PER_TOKEN)) else { return output };
    let over = over(&output, most);
    if let Some((_, heavy, _)) = whole
        && over > 0
        && shed(&mut output, over)
    {
        note(&mut output, heavy);
    }
    shorten(&mut output, most, if tool == "wait_for_change" { CUT_WAIT } else { CUT });
    cut(output, most, whole.map_or(MORE, |(.., shows)| shows))
}

fn over(output: &Value, most: usize) -> usize {
    output.to_string().len().saturating_sub(most)
}

/// Takes out the picture, or the longest members of runners until so many bytes are saved; false where there is nothing.
fn shed(output: &mut Value, over: usize) -> bool {
    let Some(members) = output.as_object_mut() else { return false };
    if members.remove("svg").is_some() {
        return true;
    }
    let runners = members.get_mut("runners").and_then(Value::as_array_mut);
    let held = runners.into_iter().flatten().filter_map(Value::as_object_mut).flatten();
    let heavy = held.filter(|(name, _)| HEAVY.contains(&name.as_str()));
    let mut heavy: Vec<_> = heavy.map(|(_, held)| (held.to_string().len().saturating_sub(EMPTY.len()), held)).collect();
    heavy.sort_unstable_by_key(|(length, _)| std::cmp::Reverse(*length));
    let mut saved = 0;
    for (length, held) in heavy.into_iter().take_while(|(length, _)| *length > 0) {
        if saved < over {
            *held = json!({});
            saved += length;
        }
    }
    saved > 0
}

/// How many entries of a page that is too long would fit, at most half as many as there are.
fn smaller(output: &Value, most: usize) -> Option<usize> {
    let bytes = output.to_string().len();
    let entries = ["logs", "jobs"].iter().find_map(|name| output.get(name)?.as_array()).map_or(0, Vec::len);
    (bytes > most && entries > 1).then(|| (entries * most / bytes).min(entries / 2).max(1))
}

/// Leaves out entries from the end of the longest list until the rest fits, and says how many, and what shows them.
fn cut(mut output: Value, most: usize, shows: &str) -> Value {
    let mut left_out = 0;
    while over(&output, most) > 0 {
        match output.as_object_mut().map_or(0, drop_a_quarter) {
            0 => break,
            gone => left_out += gone,
        }
    }
    if left_out > 0 {
        note(&mut output, &format!("{left_out} entries were left out to fit: {shows}"));
    }
    output
}

/// How many entries the longest of the lists and tables lost.
fn drop_a_quarter(members: &mut Map<String, Value>) -> usize {
    let lists = members.iter_mut().filter(|(name, _)| ENTRIES.contains(&name.as_str())).map(|(_, held)| held);
    match lists.max_by_key(|held| entries(held)) {
        Some(Value::Array(list)) => {
            let gone = list.len().div_ceil(4);
            list.truncate(list.len() - gone);
            gone
        }
        Some(Value::Object(table)) => {
            let kept = table.len() - table.len().div_ceil(4);
            let last: Vec<String> = table.keys().skip(kept).cloned().collect();
            last.iter().filter(|name| table.remove(*name).is_some()).count()
        }
        _ => 0,
    }
}

fn entries(held: &Value) -> usize {
    held.as_array().map_or_else(|| held.as_object().map_or(0, Map::len), Vec::len)
}

/// Cuts the longest texts until the rest fits, and says there that they were cut.
fn shorten(output: &mut Value, most: usize, mark: &str) {
    loop {
        let over = over(output, most);
        let mut found = Vec::new();
        texts(output, &mut found);
        let least = mark.len() + '…'.len_utf8();
        match found.into_iter().max_by_key(|text| text.len()).filter(|text| over > 0 && text.len() > least) {
            Some(text) => *text = clean(text, text.len().saturating_sub(over + least)) + mark,
            None => break,
        }
    }
}

fn texts<'a>(value: &'a mut Value, found: &mut Vec<&'a mut String>) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| texts(entry, found)),
        Value::Object(members) => {
            for (name, held) in members {
                match held {
                    Value::String(text) => found.extend(Some(text).filter(|_| TEXTS.contains(&name.as_str()))),
                    other => texts(other, found),
                }
            }
        }
        _ => {}
    }
}

fn note(output: &mut Value, text: &str) {
    let notes = output.as_object_mut().map(|members| members.entry("notes").or_insert_with(|| json!([])));
    if let Some(Value::Array(notes)) = notes {
        notes.push(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_read_and_taken_out_where_a_tool_reads() {
        let [reads, writes] = ["get_job", "scale_job"].map(|name| crate::verb::find(name).unwrap());
        let mut arguments = Map::from_iter([(MEMBER.to_owned(), json!(300)), ("job_id".to_owned(), json!("a"))]);
        assert_eq!(take(reads, &mut arguments).unwrap(), Some(1200));
        assert!(!arguments.contains_key(MEMBER));
        for bad in [json!(1), json!(-1), json!("x"), json!(1e9), json!({})] {
            let mut arguments = Map::from_iter([(MEMBER.to_owned(), bad.clone())]);
            assert_eq!(take(reads, &mut arguments).unwrap_err().reason(), "bad_max_tokens", "{bad}");
        }
        let mut other = Map::from_iter([(MEMBER.to_owned(), json!(300))]);
        assert_eq!(take(writes, &mut other).unwrap(), None);
        assert!(other.contains_key(MEMBER), "the verb refuses what it does not know");
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_nothing_else_is() {
        let id = "sim:0123456789abcdef0123456789abcdef";
        let row = json!({"job_id": id, "diagnostics": "é".repeat(2_000), "open_operations": ["o"]});
        let told = fit("get_job", row, Some(1_000));
        let text = told["diagnostics"].as_str().unwrap();
        assert!(text.starts_with("éé") && text.ends_with(CUT) && told.to_string().len() <= 1_000, "{told}");
        assert_eq!((&told["job_id"], &told["open_operations"]), (&json!(id), &json!(["o"])));
        let waited = fit("wait_for_change", json!({"gone": ["a"], "diagnostics": "x".repeat(900)}), Some(800));
        assert!(waited["diagnostics"].as_str().unwrap().ends_with(CUT_WAIT) && waited["gone"] == json!(["a"]));
        let line = fit("get_logs", json!({"logs": [{"message": "x".repeat(9_000)}], "next_page_token": id}), Some(800));
        assert!(line["logs"][0]["message"].as_str().unwrap().ends_with(CUT) && line["next_page_token"] == id, "{line}");
        let short = json!({"job_id": "s:1", "diagnostics": ""});
        assert_eq!(fit("get_job", short.clone(), Some(800)), short);
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
        let told = cut(json!({"job_id": "a", "system": vec![json!({"name": "n"}); 100], "user": [1]}), 500, "see");
        assert!(told.to_string().len() < 650, "{told}");
        let kept = told["system"].as_array().unwrap().len();
        assert_eq!(told["notes"][0], format!("{} entries were left out to fit: see", 100 - kept));
        assert_eq!(told["user"], json!([1]));
        let table: Map<String, Value> = (0..300).map(|n| (format!("t.counter-{n:03}"), json!(1))).collect();
        let told =
            fit("get_metrics", json!({"job_id": "s:1", "metrics": table, "user": [], "system": []}), Some(2_000));
        assert!(told.to_string().len() < 2_150 && told["metrics"]["t.counter-000"] == 1, "{told}");
        assert_eq!((&told["job_id"], told["notes"].as_array().unwrap().len()), (&json!("s:1"), 1));
        let whole = json!({"system": [1]});
        assert_eq!(cut(whole.clone(), 500, "see"), whole);
    }

    #[test]
    fn a_graph_loses_its_picture_first_and_then_its_last_stages() {
        let fits = |answer: &Value| answer.to_string().len() < MOST * BYTES_PER_TOKEN + 300;
        let stages = |count: usize| vec![json!({"name": "a stage of some length"}); count];
        let drawn = fit("get_graph", json!({"stages": stages(10), "svg": "x".repeat(60_000)}), None);
        assert_eq!((drawn.get("svg"), drawn["stages"].as_array().unwrap().len()), (None, 10));
        assert!(drawn["notes"][0].as_str().unwrap().starts_with("the picture"), "{drawn}");
        let large = fit("get_graph", json!({"stages": stages(5_000)}), None);
        assert!(fits(&large) && large["notes"][0].as_str().unwrap().contains("entries were left out"));
        let small = json!({"stages": stages(10), "svg": "<svg/>"});
        assert_eq!(fit("get_graph", small.clone(), None), small);
        let asked = fit("get_graph", json!({"stages": stages(100), "svg": "x".repeat(60_000)}), Some(2_000));
        assert!(asked.get("svg").is_none() && asked.to_string().len() < 2_300, "{asked}");
    }

    #[test]
    fn runners_lose_their_longest_members_and_stay() {
        let runner = |name: &str, presets: usize| {
            let presets: Map<String, Value> = (0..presets).map(|n| (n.to_string(), json!("x".repeat(100)))).collect();
            json!({"name": name, "presets": presets, "facts": {"slots": 4}, "config": {}})
        };
        let told = fit("list_runners", json!({"runners": [runner("a", 600), runner("b", 3)]}), None);
        assert_eq!((&told["runners"][0]["presets"], &told["runners"][0]["facts"]), (&json!({}), &json!({"slots": 4})));
        assert_eq!(told["runners"][1], runner("b", 3));
        assert!(told["notes"][0].as_str().unwrap().contains("beam://{target}/runner"), "{told}");
        let many: Vec<Value> = (0..2_000).map(|n| runner(&format!("runner {n}"), 0)).collect();
        let told = fit("list_runners", json!({"runners": many}), None);
        assert!(told.to_string().len() < MOST * BYTES_PER_TOKEN + 600);
        assert!(told["notes"][1].as_str().unwrap().ends_with("beam://runners"), "{}", told["notes"]);
    }
}

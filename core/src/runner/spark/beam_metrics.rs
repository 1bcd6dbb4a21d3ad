//! Beam's metrics on Spark: the text of one accumulator, `MetricQueryResults(Counters(step:namespace:name: 3, …)…)`.
//! A portable pipeline's are called `<step>:<urn> {PTRANSFORM=…, NAMESPACE=…, NAME=…}`, and Beam's own are among them.

use crate::{
    job::{Metric, MetricKind, MetricValue, Raw, Reading},
    text::clean_line,
};

/// Name of Beam's accumulator.
pub(super) const ACCUMULATOR: &str = "Beam.Metrics";
const NAME_BYTES: usize = 256;
/// Most strings of one set that are shown.
const MOST_STRINGS: usize = 100;
/// Part of the name of a portable pipeline's own metric.
const USER: &str = ":beam:metric:user:";

/// Beam's sections, in the order Beam writes them.
const SECTIONS: [&str; 5] = ["Counters(", "Distributions(", "Gauges(", "StringSets(", "BoundedTries("];

/// The metrics in the text, and how many have a value that is not read.
pub(super) fn metrics(text: &str) -> (Vec<Metric>, usize) {
    let (mut metrics, mut unread) = (Vec::new(), 0);
    for section in SECTIONS {
        for item in items(body(text, section)).iter().filter(|item| !is_internal(item)) {
            let metric = metric(section, item);
            unread += usize::from(metric.attempted.is_none());
            metrics.push(metric);
        }
    }
    (metrics, unread)
}

/// What stands between a section's parentheses: up to the next section or the end.
fn body<'a>(text: &'a str, section: &str) -> &'a str {
    let inner = text.strip_prefix("MetricQueryResults(").unwrap_or_default();
    let marked =
        |name: &str| if inner.starts_with(name) { Some(0) } else { inner.find(&format!("){name}")).map(|at| at + 1) };
    let Some(from) = marked(section) else { return "" };
    let next = SECTIONS.iter().filter_map(|other| marked(other)).filter(|at| *at > from).min();
    let end = next.map_or_else(|| inner.trim_end_matches(')').len(), |at| at.saturating_sub(1));
    inner.get(from + section.len()..end).unwrap_or_default()
}

/// The items of a section; a comma also stands inside values and may stand inside the names of steps.
fn items(body: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for piece in body.split(", ").filter(|piece| !piece.is_empty()) {
        match items.last_mut().filter(|last| !is_whole(last)) {
            Some(last) => *last = format!("{last}, {piece}"),
            None => items.push(piece.to_owned()),
        }
    }
    items
}

/// True for a measure of Beam's own, of a portable pipeline.
fn is_internal(item: &str) -> bool {
    item.contains(":beam:metric:") && !item.contains(USER)
}

/// Step, namespace and name.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let Some((_, labels)) = name.strip_suffix('}').and_then(|name| name.split_once(" {")) else {
        let mut parts = name.rsplitn(3, ':');
        let (name, namespace, step) = (parts.next()?, parts.next()?, parts.next()?);
        return Some((step, namespace, name));
    };
    let label = |key: &str| labels.split(", ").find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    Some((label("PTRANSFORM")?, label("NAMESPACE")?, label("NAME")?))
}

fn is_whole(item: &str) -> bool {
    let Some((_, value)) = item.rsplit_once(": ") else { return false };
    value.ends_with('}') || (!value.is_empty() && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()))
}

/// Results that Beam prints by the name of their class.
const RESULTS: [&str; 4] = [": DistributionResult{", ": GaugeResult{", ": StringSetResult{", ": BoundedTrieResult{"];

fn metric(section: &str, item: &str) -> Metric {
    let (named, value) = match RESULTS.iter().find_map(|result| item.split_once(result)) {
        Some((name, fields)) => (name, fields.strip_suffix('}').unwrap_or(fields)),
        None => item.rsplit_once(": ").unwrap_or((item, "")),
    };
    let (step, namespace, name) = parts(named).unwrap_or(("", ACCUMULATOR, named));
    let (kind, Reading { value, raw }) = reading(section, value);
    Metric {
        name: clean_line(name, NAME_BYTES),
        namespace: clean_line(namespace, NAME_BYTES),
        step: Some(clean_line(step, NAME_BYTES)).filter(|step| !step.is_empty()),
        kind,
        attempted: value,
        committed: None,
        raw: Raw::of_attempted(raw),
        unit: String::new(),
    }
}

fn reading(section: &str, value: &str) -> (MetricKind, Reading) {
    let field = |field: &str| {
        let mut fields = value.split(", ").filter_map(|pair| pair.split_once('='));
        fields.find(|(name, _)| *name == field).and_then(|(_, number)| number.parse::<i64>().ok())
    };
    let distribution = || {
        let (count, sum, min, max) = (field("count")?, field("sum")?, field("min")?, field("max")?);
        Some(MetricValue::Distribution { count, sum, min, max })
    };
    let (kind, read) = match section {
        "Counters(" => return (MetricKind::Counter, Reading::text(value)),
        "Gauges(" => (MetricKind::Gauge, field("value").map(MetricValue::Int)),
        "Distributions(" => (MetricKind::Distribution, distribution()),
        "StringSets(" => (MetricKind::StringSet, strings(value).map(MetricValue::Set)),
        _ => (MetricKind::Other, None),
    };
    (kind, read.map_or_else(|| Reading::unread(value), Reading::of))
}

/// What a set holds; a string with a comma in it is told as two, since Beam prints it so.
fn strings(value: &str) -> Option<Vec<String>> {
    let inner = value.strip_prefix("stringSet=[")?.strip_suffix(']')?;
    let strings = inner.split(", ").filter(|string| !string.is_empty());
    Some(strings.take(MOST_STRINGS).map(|string| clean_line(string, NAME_BYTES)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_real_wordcount_is_read() {
        let step = "CountWords/ExtractWords/ParMultiDo(ExtractWords)";
        let text = format!(
            "MetricQueryResults(Counters({step}:wordcount:words: 23087, {step}:wordcount:emptyLines: 1218)\
             Distributions({step}:wordcount:wordLength: DistributionResult{{sum=94276, count=23087, min=1, max=14}}))"
        );
        let (metrics, unread) = metrics(&text);
        let rows: Vec<_> = metrics.iter().map(|m| (m.name.as_str(), m.attempted.clone().unwrap())).collect();
        let lengths = MetricValue::Distribution { count: 23087, sum: 94276, min: 1, max: 14 };
        assert_eq!(
            rows,
            [("words", MetricValue::Int(23087)), ("emptyLines", MetricValue::Int(1218)), ("wordLength", lengths)]
        );
        assert_eq!((metrics[0].step.as_deref(), metrics[0].namespace.as_str(), unread), (Some(step), "wordcount", 0));
    }

    #[test]
    fn a_portable_pipelines_metrics_are_told_from_beams_own() {
        let (read, unread) = metrics(
            "MetricQueryResults(Counters(pc_1:beam:metric:element_count:v1 {PCOLLECTION=pc_1}: 7, \
             ref_2:beam:metric:user:sum_int64:v1 {NAME=words, NAMESPACE=wordcount, PTRANSFORM=ref_Extract_8}: 23087)\
             Distributions(ref_2:beam:metric:user:distribution_int64:v1 {PTRANSFORM=ref_Extract_8, \
             NAMESPACE=wordcount, NAME=word_length}: DistributionResult{sum=94276, count=23087, min=1, max=14}, \
             pc_1:beam:metric:sampled_byte_size:v1 {PCOLLECTION=pc_1}: DistributionResult{sum=1, count=1, min=1, max=1}))",
        );
        let rows: Vec<_> =
            read.iter().map(|m| (m.step.as_deref().unwrap(), m.namespace.as_str(), m.name.as_str())).collect();
        assert_eq!(rows, [("ref_Extract_8", "wordcount", "words"), ("ref_Extract_8", "wordcount", "word_length")]);
        assert_eq!((read[0].attempted.clone(), unread), (Some(MetricValue::Int(23087)), 0));
    }

    #[test]
    fn sets_of_strings_are_read() {
        let (read, unread) = metrics(
            "MetricQueryResults(StringSets(ref_7:beam:metric:user:set_string:v1 {NAMESPACE=brings, NAME=seen, \
             PTRANSFORM=ref_ParDo-Shout-_14}: StringSetResult{stringSet=[a, b]}, s:n:none: StringSetResult{stringSet=[]})\
             BoundedTries(ref_12:beam:metric:user:bounded_trie:v1 {NAME=sinks_v2, NAMESPACE=lineage, PTRANSFORM=ref_30}: \
             BoundedTrieResult{result=[[filesystem:, localhost., /, tmp/, false]]}))",
        );
        let rows: Vec<_> = read.iter().map(|m| (m.name.as_str(), m.attempted.clone())).collect();
        let two = MetricValue::Set(vec!["a".into(), "b".into()]);
        assert_eq!(rows, [("seen", Some(two)), ("none", Some(MetricValue::Set(vec![]))), ("sinks_v2", None)]);
        assert_eq!(
            (read[2].kind, read[2].raw.attempted.as_deref(), read[2].namespace.as_str()),
            (MetricKind::Other, Some("result=[[filesystem:, localhost., /, tmp/, false]]"), "lineage")
        );
        assert_eq!(
            (read[0].step.as_deref(), read[0].namespace.as_str(), unread),
            (Some("ref_ParDo-Shout-_14"), "brings", 1)
        );
    }

    #[test]
    fn names_with_commas_and_lies_are_told_apart() {
        let (read, unread) = metrics(
            "MetricQueryResults(Counters(a, b(c):ns:x: 1, d:ns:y: -2)Gauges(s:n:g: GaugeResult{value=7, timestamp=2026-01-01T00:00:00.000Z}))",
        );
        let names: Vec<_> = read.iter().map(|m| (m.step.as_deref().unwrap(), m.name.as_str())).collect();
        assert_eq!((names, unread), (vec![("a, b(c)", "x"), ("d", "y"), ("s", "g")], 0));
        for lie in ["", "x", "MetricQueryResults()", "MetricQueryResults(Counters()"] {
            assert_eq!(metrics(lie), (vec![], 0), "{lie}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_in_beams_own_words() {
        let (read, unread) = metrics(
            "MetricQueryResults(Counters(huge:a:b: 99999999999999999999, x: 1, wide:a:c: 9007199254740993)\
             Distributions(s:n:d: DistributionResult{sum=1.5, count=1}))",
        );
        let rows: Vec<_> =
            read.iter().map(|m| (m.name.as_str(), m.attempted.clone(), m.raw.attempted.as_deref())).collect();
        #[expect(clippy::cast_precision_loss, reason = "as it is read")]
        let huge = MetricValue::Float(99_999_999_999_999_999_999_u128 as f64);
        assert_eq!(
            rows,
            [
                ("b", Some(huge), Some("99999999999999999999")),
                ("x", Some(MetricValue::Int(1)), None),
                ("c", Some(MetricValue::Int(9_007_199_254_740_993)), Some("9007199254740993")),
                ("d", None, Some("sum=1.5, count=1")),
            ]
        );
        assert_eq!((read[1].step.as_deref(), read[1].namespace.as_str(), unread), (None, "Beam.Metrics", 1));
    }
}

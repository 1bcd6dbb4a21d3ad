//! Parameters of a template, checked against what the template says about itself.

use regex_lite::RegexBuilder;
use serde_json::{Map, Value};

use super::response::{Parameter, TemplateMetadata};
use crate::{
    config::nearest,
    error::Error,
    runner::options::{TOTAL_BYTES, text},
};

/// Largest compiled expression of a template, in bytes.
const REGEX_BYTES: usize = 64 << 10;

/// Checked parameters, and what could not be checked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checked {
    pub(super) values: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// Checks parameters as the template's metadata allows; without metadata they pass as they are.
///
/// # Errors
/// `invalid_argument`: `unknown_parameter` with the nearest name, `missing_parameter`, `bad_parameter`,
/// `parameters_too_large`.
pub(super) fn check(given: Map<String, Value>, metadata: Option<&TemplateMetadata>) -> Result<Checked, Error> {
    let values: Map<String, Value> = given.into_iter().map(|(name, value)| (name, text(&value).into())).collect();
    let size: usize = values.iter().map(|(name, value)| name.len() + text(value).len()).sum();
    if size > TOTAL_BYTES {
        return Err(Error::invalid("parameters_too_large", format!("all parameters have at most {TOTAL_BYTES} bytes"))
            .suggest("put long text into Cloud Storage and pass its path"));
    }
    let Some(metadata) = metadata else {
        return Ok(Checked {
            values,
            notes: vec!["the template has no metadata: its parameters are not checked".into()],
        });
    };
    let mut notes = Vec::new();
    for (name, value) in &values {
        let known = metadata.parameters.iter().find(|parameter| parameter.name == *name);
        let parameter = known.ok_or_else(|| unknown(name, metadata))?;
        notes.extend(fits(parameter, &text(value))?);
    }
    match metadata.parameters.iter().find(|parameter| is_needed(parameter) && !values.contains_key(&parameter.name)) {
        Some(parameter) => Err(missing(parameter)),
        None => Ok(Checked { values, notes }),
    }
}

fn is_needed(parameter: &Parameter) -> bool {
    !parameter.is_optional && parameter.default_value.is_empty() && parameter.parent_name.is_empty()
}

/// A note when a value cannot be checked.
fn fits(parameter: &Parameter, value: &str) -> Result<Option<String>, Error> {
    let options: Vec<&str> = parameter.enum_options.iter().map(|option| option.value.as_str()).collect();
    if !options.is_empty() && !options.contains(&value) {
        return Err(bad(parameter, &format!("one of {}", options.join(", "))));
    }
    for pattern in &parameter.regexes {
        // Dataflow matches the whole value, as Java's `matches` does.
        match RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_BYTES).build() {
            Ok(regex) if regex.is_match(value) => {}
            Ok(_) => return Err(bad(parameter, &format!("a value that matches {pattern}"))),
            Err(_) => return Ok(Some(format!("`{}` is checked by Dataflow alone: {pattern}", parameter.name))),
        }
    }
    Ok(None)
}

fn bad(parameter: &Parameter, expected: &str) -> Error {
    Error::invalid("bad_parameter", format!("the template's parameter `{}` does not fit", parameter.name))
        .with("parameter", &parameter.name)
        .with("expected", expected)
        .with("help", &parameter.help_text)
        .suggest(format!("send {}", crate::text::clean_line(expected, 256)))
}

fn missing(parameter: &Parameter) -> Error {
    Error::invalid("missing_parameter", format!("the template needs the parameter `{}`", parameter.name))
        .with("parameter", &parameter.name)
        .with("help", &parameter.help_text)
        .suggest("add it to `template_parameters`")
}

fn unknown(name: &str, metadata: &TemplateMetadata) -> Error {
    let names = || metadata.parameters.iter().map(|parameter| parameter.name.as_str());
    let error = Error::invalid("unknown_parameter", format!("the template has no parameter `{name}`"))
        .with("parameter", name)
        .with("template", &metadata.name)
        .with("known", names().collect::<Vec<_>>().join(", "));
    match nearest(name, names()) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("take one of the known parameters; names are case-sensitive"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runner::dataflow::response::EnumOption;

    fn metadata() -> TemplateMetadata {
        serde_json::from_value(json!({"name": "Word Count", "parameters": [
            {"name": "inputFile", "helpText": "what to read", "regexes": ["gs://[^\\n\\r]+|/.*"]},
            {"name": "output", "helpText": "where to", "regexes": ["^gs:\\/\\/[^\\n\\r]+$"]},
            {"name": "format", "isOptional": true},
            {"name": "window", "defaultValue": "5m"},
            {"name": "subscription", "parentName": "format"},
            {"name": "odd", "isOptional": true, "regexes": ["(?<!a)b"]},
        ]}))
        .unwrap()
    }

    fn checked(given: Value) -> Result<Checked, Error> {
        let mut metadata = metadata();
        metadata.parameters[2].enum_options = ["csv", "json"].map(|value| EnumOption { value: value.into() }).to_vec();
        check(serde_json::from_value(given).unwrap(), Some(&metadata))
    }

    #[test]
    fn what_fits_is_sent_as_text() {
        let good = json!({"inputFile": "/x|y", "output": "gs://b/o", "format": "csv", "window": 7, "odd": "b"});
        let checked = checked(good).unwrap();
        assert_eq!(checked.values["window"], "7");
        assert_eq!(checked.notes.len(), 1, "an expression that is not understood is Dataflow's to check");
    }

    #[test]
    fn what_does_not_fit_is_told_before_anything_is_sent() {
        let whole = |more: Value| {
            let mut all = json!({"inputFile": "gs://b/i", "output": "gs://b/o"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        for (given, reason, suggestion) in [
            (whole(json!({"outputs": "gs://x"})), "unknown_parameter", "did you mean `output`?"),
            (whole(json!({"inputfile": "gs://x"})), "unknown_parameter", "did you mean `inputFile`?"),
            (whole(json!({"zzzzzzzz": 1})), "unknown_parameter", "case-sensitive"),
            (whole(json!({"output": "s3://b/o"})), "bad_parameter", "matches"),
            (whole(json!({"output": "xgs://b/o"})), "bad_parameter", "matches"),
            (whole(json!({"inputFile": "x/y"})), "bad_parameter", "matches"),
            (whole(json!({"format": "xml"})), "bad_parameter", "csv, json"),
            (json!({"output": "gs://b/o"}), "missing_parameter", "template_parameters"),
            (whole(json!({"window": "x".repeat(TOTAL_BYTES)})), "parameters_too_large", "Cloud Storage"),
        ] {
            let error = checked(given).unwrap_err();
            assert_eq!(error.reason(), reason);
            assert!(error.suggestion().contains(suggestion), "{}", error.suggestion());
        }
    }

    #[test]
    fn without_metadata_nothing_is_checked_and_that_is_said() {
        let given: Map<String, Value> = serde_json::from_value(json!({"a": true})).unwrap();
        let checked = check(given, None).unwrap();
        assert_eq!((checked.values["a"].as_str(), checked.notes.len()), (Some("true"), 1));
    }
}

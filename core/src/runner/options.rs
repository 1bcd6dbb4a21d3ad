//! Pipeline options: names, values, who may set them, and where each came from (security-reliability.md T24, T25).
//!
//! A name means the same whether it is written `setup_file`, `setup-file` or `setupFile`.

mod beam;
mod operator;
mod sources;
mod withheld;

pub use beam::{in_python, is_of_another};
pub use operator::is_operator_only;
pub use sources::Sources;
pub use withheld::{WITHHELD, operators_entry, withhold, withhold_arguments, withhold_members};

use serde_json::Value;

use super::ResolvedOption;
use crate::error::{Error, ErrorKind};

/// Most bytes of one value.
pub const VALUE_BYTES: usize = 8 << 10;
/// Most bytes of all names and values of one job together.
pub const TOTAL_BYTES: usize = 64 << 10;

/// Checks the name of an option: a letter, then letters, digits, `_` or `-`, at most 128.
///
/// # Errors
/// `invalid_argument`, reason `bad_option_name`.
pub fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid("bad_option_name", "an option name is a letter, then letters, digits, `_` or `-`, at most 128")
        .with("option", name)
        .suggest("write the name without leading dashes and put the value beside it, not into it"))
}

/// Checks the text of a value: no NUL, no line break, at most [`VALUE_BYTES`].
///
/// # Errors
/// `invalid_argument`, reason `bad_option_value` or `option_too_large`.
pub fn check_value(name: &str, text: &str) -> Result<(), Error> {
    if text.contains(['\0', '\n', '\r']) {
        return Err(Error::invalid("bad_option_value", "an option value holds no NUL and no line break")
            .with("option", name)
            .suggest("put long text into a file and pass its path"));
    }
    if text.len() > VALUE_BYTES {
        return Err(Error::invalid("option_too_large", format!("an option value has at most {VALUE_BYTES} bytes"))
            .with("option", name)
            .suggest("put long text into a file and pass its path"));
    }
    Ok(())
}

/// Checks that a caller may set the option.
///
/// # Errors
/// `permission_denied`, reason `operator_only_option`.
pub fn check_caller(name: &str, operator_options: bool) -> Result<(), Error> {
    if operator_options || !is_operator_only(name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        "operator_only_option",
        format!("the option `{name}` loads code or redirects traffic, so only an operator may set it"),
    )
    .with("option", name)
    .suggest("leave it out, or ask the operator to set it in the target's `options`"))
}

/// Checks the plain arguments of a program: bounded items, no `--` that would end the options, and nothing that sets
/// an option past [`check_caller`]. The options `own` are the product's (for instance `runner`).
///
/// # Errors
/// `invalid_argument` with reason `bad_argument`, or as [`check_value`] and [`check_caller`].
pub fn check_args(args: &[String], own: &[&str], operator_options: bool) -> Result<(), Error> {
    for arg in args {
        check_value("args", arg)?;
        let name = arg.trim_start_matches('-').split('=').next().unwrap_or_default();
        let dashed = arg.starts_with('-');
        if dashed && (name.is_empty() || own.iter().any(|own| same(own, name))) {
            return Err(Error::invalid("bad_argument", format!("`{arg}` cannot be a plain argument"))
                .suggest("set options in `pipeline_options`"));
        }
        if dashed {
            check_caller(name, operator_options)?;
        }
    }
    check_total(args.iter().map(String::len).sum())
}

/// True when both names mean one option.
pub fn same(one: &str, other: &str) -> bool {
    normal(one) == normal(other)
}

/// The text of one value: strings as they are, all else as compact JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A string, number or truth value.
pub fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// The arguments of one option by the rules of Beam's Java `PipelineOptionsFactory`, and a note for people: a list of
/// plain values becomes one argument each, anything nested is JSON.
///
/// # Errors
/// As [`check_value`].
pub fn arguments(option: &ResolvedOption) -> Result<(Vec<String>, String), Error> {
    let items = match &option.value {
        Value::Array(items) if items.iter().all(is_plain) => items.iter().map(text).collect(),
        other => vec![text(other)],
    };
    items.iter().try_for_each(|item| check_value(&option.name, item))?;
    let split = option.value.is_array() && items.len() > 1 && items.iter().any(|item| item.contains(','));
    let note = match items.len() {
        0 => "an empty list: nothing is sent",
        _ if split => "Beam's Java SDK splits list values at commas",
        _ => "",
    };
    let argument = |item: &String| format!("--{}={item}", option.name);
    Ok((items.iter().map(argument).collect(), note.to_owned()))
}

fn normal(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// The error of one option under two spellings.
pub(super) fn twice(one: &str, other: &str) -> Error {
    Error::invalid("option_twice", format!("`{one}` and `{other}` are one option")).suggest("set it once")
}

fn check_total(bytes: usize) -> Result<(), Error> {
    if bytes <= TOTAL_BYTES {
        return Ok(());
    }
    Err(Error::invalid("options_too_large", format!("all options together have at most {TOTAL_BYTES} bytes"))
        .suggest("put long values into a file and pass its path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_cannot_smuggle_a_second_option() {
        for bad in ["", "--runner", "a=b", "a b", "1a", "a.b", "a\n", "ü", &"a".repeat(129)] {
            assert_eq!(check_name(bad).unwrap_err().reason(), "bad_option_name", "{bad}");
        }
        for good in ["runner", "setup_file", "job-server-timeout", "filesToStage"] {
            check_name(good).unwrap();
        }
        for bad in ["a\0b", "a\nb", "a\r"] {
            assert_eq!(check_value("x", bad).unwrap_err().reason(), "bad_option_value");
        }
        check_value("x", "--runner=Evil; $(rm) `id` --").unwrap();
        assert_eq!(check_value("x", &"a".repeat(VALUE_BYTES + 1)).unwrap_err().reason(), "option_too_large");
    }

    #[test]
    fn plain_arguments_cannot_set_what_options_may_not() {
        let check = |arg: &str| check_args(&[arg.to_owned()], &["runner"], false);
        for bad in ["--", "-", "--runner=Evil", "--runner", "-runner"] {
            assert_eq!(check(bad).unwrap_err().reason(), "bad_argument", "{bad}");
        }
        for denied in ["--setup_file=x", "--setup-file", "--setupFile=x", "---setup_file"] {
            assert_eq!(check(denied).unwrap_err().reason(), "operator_only_option", "{denied}");
        }
        for good in ["input.txt", "--input=a b", "-v", "setup_file=x"] {
            check(good).unwrap();
        }
        check_args(&["--setup_file=x".to_owned()], &["runner"], true).unwrap();
    }
}

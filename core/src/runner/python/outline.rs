//! Beam YAML judged before anything runs: by its outline, and by what the interpreter can import.

use crate::{
    effect::{Blob, Fact, Origin, Outline, Recipe, Source},
    error::{Error, ErrorKind},
    flow::Io,
    runner::code::stage,
    text::clean_line,
};

/// Checks what the host could read of a YAML pipeline without Beam.
///
/// # Errors
/// `invalid_argument`, reason `bad_yaml`, with line and column.
pub(in crate::runner) fn check(source: &Source) -> Result<(), Error> {
    let Some(Outline { fault: Some(fault), .. }) = &source.outline else { return Ok(()) };
    let place = if fault.line == 0 { String::new() } else { format!("line {}, column {}: ", fault.line, fault.column) };
    let error = Error::invalid("bad_yaml", format!("{place}{}", clean_line(&fault.message, 512)));
    Err(error.with("line", fault.line).with("column", fault.column).suggest(
        "a Beam YAML pipeline is `pipeline: {transforms: [{type: …, config: {…}}]}`; see \
         https://beam.apache.org/documentation/sdks/yaml",
    ))
}

/// Checks the text of a pipeline that runs elsewhere, where the host can; what can be told about it.
///
/// # Errors
/// As [`check`].
pub(in crate::runner) async fn of_text(io: &Io, text: &str, most: u64) -> Result<Vec<String>, Error> {
    let recipe = Recipe { outline: true, ..Recipe::plain(Origin::Bytes(Blob::from(text)), most) };
    match stage(io, recipe).await {
        Ok(source) => check(&source).map(|()| notes(&source)),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Ok(vec!["the YAML is not read before it is sent: this host cannot".into()])
        }
        Err(error) => Err(error),
    }
}

/// Checks that an interpreter can run Beam YAML.
///
/// # Errors
/// `failed_precondition`, reason `yaml_extra_missing`.
pub(in crate::runner) fn check_program(fact: Option<&Fact>) -> Result<(), Error> {
    match fact {
        Some(Fact::Program { yaml: false, found: true, beam_version: Some(_), .. }) => Err(Error::new(
            ErrorKind::FailedPrecondition,
            "yaml_extra_missing",
            "the target's `python` has apache_beam without its `yaml` extra, so it cannot run Beam YAML",
        )
        .suggest("ask the operator to install `apache-beam[yaml]` there, in the version that is there already")),
        _ => Ok(()),
    }
}

/// What can be told about a YAML pipeline before it runs.
pub(in crate::runner) fn notes(source: &Source) -> Vec<String> {
    let Some(outline) = &source.outline else { return Vec::new() };
    if outline.templated {
        return vec!["the YAML is a template, or larger than 1 MiB: Beam reads it when it runs".into()];
    }
    vec![format!(
        "the YAML has {} transforms; Beam checks their types and configuration before it runs any",
        outline.transforms
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{SourceId, YamlFault};

    fn source(fault: Option<YamlFault>, templated: bool) -> Source {
        let outline = Some(Outline { fault, templated, transforms: 2 });
        let id = SourceId("sha256:aa".into());
        Source { id, sha256: "aa".into(), size: 1, file_name: String::new(), archive: None, outline }
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let fault = YamlFault { line: 4, column: 7, message: "missing field `type`".into() };
        let error = check(&source(Some(fault), false)).unwrap_err();
        assert_eq!((error.reason(), error.message()), ("bad_yaml", "line 4, column 7: missing field `type`"));
        assert_eq!(error.context()["line"], "4");
        check(&source(None, false)).unwrap();
        assert!(notes(&source(None, true))[0].contains("template"));
    }

    #[test]
    fn an_interpreter_without_the_extra_is_told_apart() {
        let program = |yaml| Fact::Program { found: true, version: None, beam_version: Some("2.77.0".into()), yaml };
        assert_eq!(check_program(Some(&program(false))).unwrap_err().reason(), "yaml_extra_missing");
        check_program(Some(&program(true))).unwrap();
    }
}

//! Beam YAML judged before anything runs: by its outline, and by what the interpreter can import.

use crate::{
    effect::{Blob, Fact, Origin, Recipe, Source, YamlFault},
    error::{Error, ErrorKind},
    flow::Io,
    runner::code::stage,
    text::clean_line,
};

/// Checks what the host could read of a YAML pipeline without Beam, for what no Beam takes.
///
/// # Errors
/// `invalid_argument`, reason `bad_yaml`, with line and column.
pub(in crate::runner) fn check(source: &Source) -> Result<(), Error> {
    match fault(source) {
        Some(fault) if fault.beam.is_none() => Err(refused(fault)),
        _ => Ok(()),
    }
}

fn fault(source: &Source) -> Option<&YamlFault> {
    source.outline.as_ref()?.fault.as_ref()
}

fn refused(fault: &YamlFault) -> Error {
    let error = Error::invalid("bad_yaml", told(fault)).with("line", fault.line).with("column", fault.column);
    error.suggest(
        "a Beam YAML pipeline is `pipeline: {transforms: [{type: …, config: {…}}]}`; see \
         https://beam.apache.org/documentation/sdks/yaml",
    )
}

fn told(fault: &YamlFault) -> String {
    let place = if fault.line == 0 { String::new() } else { format!("line {}, column {}: ", fault.line, fault.column) };
    format!("{place}{}", clean_line(&fault.message, 512))
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

/// Checks that an interpreter can run Beam YAML, and that its Beam takes this pipeline.
///
/// # Errors
/// `failed_precondition`, reason `yaml_extra_missing`; as [`check`].
pub(in crate::runner) fn check_program(source: &Source, fact: Option<&Fact>) -> Result<(), Error> {
    let Some(Fact::Program { found: true, beam_version: Some(version), yaml, .. }) = fact else { return Ok(()) };
    if !yaml {
        return Err(Error::new(
            ErrorKind::FailedPrecondition,
            "yaml_extra_missing",
            "the target's `python` has apache_beam without its `yaml` extra, so it cannot run Beam YAML",
        )
        .suggest("ask the operator to install `apache-beam[yaml]` there, in the version that is there already"));
    }
    match fault(source) {
        Some(fault) if fault.beam.as_ref().is_none_or(|beam| is_of(version, beam)) => Err(refused(fault)),
        _ => Ok(()),
    }
}

/// `2.77.0` is of 2.77, and 2.7 is not.
fn is_of(version: &str, beam: &str) -> bool {
    version.strip_prefix(beam).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What can be told about a YAML pipeline before it runs.
pub(in crate::runner) fn notes(source: &Source) -> Vec<String> {
    let Some(outline) = &source.outline else { return Vec::new() };
    if outline.templated {
        return vec!["the YAML is a template, or larger than 1 MiB: Beam reads it when it runs".into()];
    }
    let refused = outline.fault.as_ref().and_then(|fault| Some((fault, fault.beam.as_ref()?)));
    let refused = refused.map(|(fault, beam)| format!("the YAML would be refused by Beam {beam}: {}", told(fault)));
    let count = outline.transforms;
    let own = format!("the YAML has {count} transforms; Beam checks what their configuration says before it runs any");
    [own].into_iter().chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Outline, SourceId};

    fn source(fault: Option<YamlFault>, templated: bool) -> Source {
        let outline = Some(Outline { fault, templated, transforms: 2 });
        let id = SourceId("sha256:aa".into());
        Source { id, sha256: "aa".into(), size: 1, file_name: String::new(), archive: None, outline }
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let fault = YamlFault { line: 4, column: 7, message: "missing field `type`".into(), beam: None };
        let error = check(&source(Some(fault), false)).unwrap_err();
        assert_eq!((error.reason(), error.message()), ("bad_yaml", "line 4, column 7: missing field `type`"));
        assert_eq!(error.context()["line"], "4");
        check(&source(None, false)).unwrap();
        assert!(notes(&source(None, true))[0].contains("template"));
    }

    #[test]
    fn an_interpreter_without_the_extra_is_told_apart() {
        let program = |yaml| Fact::Program { found: true, version: None, beam_version: Some("2.77.0".into()), yaml };
        let source = source(None, false);
        assert_eq!(check_program(&source, Some(&program(false))).unwrap_err().reason(), "yaml_extra_missing");
        check_program(&source, Some(&program(true))).unwrap();
    }

    #[test]
    fn what_one_beam_refuses_is_told_of_another() {
        let beam = Some("2.77".to_owned());
        let fault = YamlFault { line: 4, column: 7, message: "`Create` takes no `x`".into(), beam };
        let source = source(Some(fault), false);
        check(&source).unwrap();
        for (version, is_refused) in [("2.77.0", true), ("2.77.1rc1", true), ("2.78.0", false), ("2.7.0", false)] {
            let (beam_version, version_of_python) = (Some(version.into()), Some("3.11.7".into()));
            let program = Fact::Program { found: true, version: version_of_python, beam_version, yaml: true };
            let said = check_program(&source, Some(&program)).map_err(|error| error.reason().to_owned());
            assert_eq!(said, if is_refused { Err("bad_yaml".to_owned()) } else { Ok(()) }, "{version}");
        }
        assert_eq!(
            notes(&source)[1],
            "the YAML would be refused by Beam 2.77: line 4, column 7: `Create` takes no `x`"
        );
    }
}

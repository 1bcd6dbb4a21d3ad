//! Which template is launched, and what it says about itself.

use super::{
    Dataflow, request,
    response::{self, TemplateAnswer, TemplateMetadata},
};
use crate::{
    config::Target,
    error::{Error, ErrorKind},
    job::JobSpec,
    text::clean_line,
};

/// Google's own templates.
const GOOGLE: &str = "gs://dataflow-templates";
/// The parameter that holds a pipeline in Beam YAML, and the one that holds the path of one.
pub(super) const YAML: &str = "yaml_pipeline";
pub(super) const YAML_FILE: &str = "yaml_pipeline_file";

/// A template a caller may launch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) path: String,
    /// Path of a Beam YAML file that goes into the YAML template's parameter.
    pub(super) yaml_file: Option<String>,
}

/// How a template is launched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Classic,
    Flex,
}

/// What is known about a template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// `None`: it has none, so nothing of what is sent can be checked.
    pub(super) metadata: Option<TemplateMetadata>,
    /// Language of its SDK, where it says.
    pub(super) language: String,
}

/// The template a spec names.
///
/// # Errors
/// `unsupported` for code that is no template, `invalid_argument` for no or a bad path, `permission_denied` for one the
/// operator has not allowed.
pub(super) fn choose(spec: &JobSpec, target: &Target, operator: bool) -> Result<Chosen, Error> {
    let chosen = match (&spec.template_path, &spec.code_path) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("two_codes", "`template_path` and `code_path` are both set").suggest("set one"));
        }
        (Some(path), None) => Chosen { path: path.clone(), yaml_file: None },
        (None, Some(path)) => yaml_file(path, target)?,
        (None, None) if is_yaml(spec) => Chosen { path: yaml_template(target), yaml_file: None },
        (None, None) => return Err(no_template(spec)),
    };
    if spec.module.is_some() || spec.entry_class.is_some() || !spec.args.is_empty() {
        return Err(programs("a template has no `module`, `entry_class` and `args`"));
    }
    check_path(&chosen.path, target, operator)?;
    Ok(chosen)
}

fn is_yaml(spec: &JobSpec) -> bool {
    spec.yaml.is_some() || spec.template_parameters.keys().any(|name| name == YAML || name == YAML_FILE)
}

/// Beam YAML that the call itself holds.
pub(super) fn yaml_text(spec: &JobSpec) -> Option<&str> {
    spec.yaml.as_deref().or_else(|| spec.template_parameters.get(YAML)?.as_str())
}

fn yaml_template(target: &Target) -> String {
    format!("{GOOGLE}-{}/latest/flex/Yaml_Template", target.region.as_deref().unwrap_or_default())
}

fn yaml_file(path: &str, target: &Target) -> Result<Chosen, Error> {
    let extension = path.rsplit('.').next().map(str::to_ascii_lowercase);
    if !matches!(extension.as_deref(), Some("yaml" | "yml")) {
        return Err(programs("a Dataflow target launches templates, not programs"));
    }
    if is_storage(path) {
        return Ok(Chosen { path: yaml_template(target), yaml_file: Some(path.to_owned()) });
    }
    Err(Error::unsupported("yaml_file_on_the_server", "Dataflow reads Beam YAML from Cloud Storage or from the call")
        .suggest("set `code_path` to a gs:// path, or send the text in `yaml`"))
}

fn programs(message: &'static str) -> Error {
    Error::unsupported("template_needed", message).suggest(
        "build a flex template of the pipeline and name it in `template_path`, send Beam YAML in `yaml`, or run the \
         program on a target of another runner",
    )
}

fn no_template(spec: &JobSpec) -> Error {
    if spec.module.is_some() {
        return programs("a Dataflow target launches templates, not Python modules");
    }
    Error::invalid("no_template", "a Dataflow job names a template")
        .suggest("set `template_path` to a gs:// path, or `yaml` to a pipeline in Beam YAML")
}

/// True for a plain path in Cloud Storage.
pub(super) fn is_storage(path: &str) -> bool {
    let rest = path.strip_prefix("gs://").unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !"\"'`\\?#<>".contains(c);
    let climbs = rest.split('/').skip(1).any(|part| part == ".." || part == ".");
    !rest.is_empty() && !rest.starts_with('/') && path.len() <= 1024 && rest.chars().all(plain) && !climbs
}

/// A template runs as the project's account, so who may name which is the operator's word (security-reliability.md T21).
fn check_path(path: &str, target: &Target, operator: bool) -> Result<(), Error> {
    if !is_storage(path) {
        return Err(Error::invalid("bad_template_path", "`template_path` is a gs:// path").with("template_path", path));
    }
    let regional = format!("{GOOGLE}-{}", target.region.as_deref().unwrap_or_default());
    let known = [GOOGLE, regional.as_str()];
    let mut allowed = target.template_prefixes.iter().map(String::as_str).chain(known);
    if operator || target.presets_run(path) || allowed.any(|prefix| lies_beneath(path, prefix)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PermissionDenied, "template_not_allowed", "the target does not allow this template")
        .with("template_path", path)
        .suggest("take a template beneath the target's `template_prefixes`, or ask the operator to add one"))
}

fn lies_beneath(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Dataflow {
    /// What the template says about itself.
    pub(super) async fn template(&self, path: &str) -> Result<Template, Error> {
        let request = request::template_request(&self.context.target, path);
        let answer =
            self.read(request, response::read::<TemplateAnswer>).await.map_err(|error| missing(error, path))?;
        if answer.status.code != 0 && answer.metadata.is_none() {
            let text = clean_line(&answer.status.message, 512);
            return Err(Error::invalid("bad_template", format!("Dataflow cannot read the template: {text}"))
                .with("template_path", path));
        }
        Ok(Template {
            path: path.to_owned(),
            kind: kind(&answer.template_type, path)?,
            metadata: answer.metadata,
            language: answer.runtime_metadata.sdk_info.language,
        })
    }
}

fn missing(error: Error, path: &str) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::invalid("no_such_template", "there is no template at this path, or the target's account cannot read it")
        .with("template_path", path)
        .with("detail", error.message())
        .suggest("check the path and the bucket's permissions")
}

fn kind(word: &str, path: &str) -> Result<Kind, Error> {
    match word {
        "LEGACY" => Ok(Kind::Classic),
        "FLEX" => Ok(Kind::Flex),
        other => Err(Error::malformed("Dataflow does not say whether the template is a classic or a flex one")
            .with("template_path", path)
            .with("template_type", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::dataflow::testing::target;

    fn chosen(spec: impl std::borrow::Borrow<JobSpec>, operator: bool) -> Result<Chosen, String> {
        let mut target = target();
        target.template_prefixes = vec!["gs://ours/templates/".into()];
        choose(spec.borrow(), &target, operator).map_err(|error| error.reason().to_owned())
    }

    fn named(path: &str) -> JobSpec {
        JobSpec { template_path: Some(path.into()), ..JobSpec::default() }
    }

    #[test]
    fn only_templates_the_operator_allows_are_launched() {
        for good in [
            "gs://dataflow-templates/latest/Word_Count",
            "gs://dataflow-templates-us-central1/latest/flex/X",
            "gs://ours/templates",
            "gs://ours/templates/a b".replace(' ', "_").as_str(),
        ] {
            assert_eq!(chosen(named(good), false).unwrap().path, good);
        }
        for (bad, reason) in [
            ("gs://ours/templates2/x", "template_not_allowed"),
            ("gs://dataflow-templates-evil/x", "template_not_allowed"),
            ("gs://dataflow-templatesx/x", "template_not_allowed"),
            ("gs://ours/templates/../secret/x", "bad_template_path"),
            ("https://evil.example/x", "bad_template_path"),
            ("gs://", "bad_template_path"),
            ("gs:///x", "bad_template_path"),
            ("gs://b/x y", "bad_template_path"),
        ] {
            assert_eq!(chosen(named(bad), false).unwrap_err(), reason, "{bad}");
        }
        chosen(named("gs://anywhere/x"), true).unwrap();
    }

    #[test]
    fn beam_yaml_goes_through_googles_template_and_programs_do_not() {
        let yaml = "gs://dataflow-templates-us-central1/latest/flex/Yaml_Template";
        let code = |path: &str| JobSpec { code_path: Some(path.into()), ..JobSpec::default() };
        let file = chosen(code("gs://b/p.yaml"), false).unwrap();
        assert_eq!((file.path.as_str(), file.yaml_file.as_deref()), (yaml, Some("gs://b/p.yaml")));
        let parameters = [("yaml_pipeline".to_owned(), "pipeline: …".into())];
        let inline = JobSpec { template_parameters: parameters.into_iter().collect(), ..JobSpec::default() };
        assert_eq!(chosen(inline, false).unwrap().path, yaml);
        let text = JobSpec { yaml: Some("pipeline: …".into()), ..JobSpec::default() };
        assert_eq!(chosen(text, false).unwrap().path, yaml);
        let both = JobSpec { code_path: Some("x.yaml".into()), ..named("gs://dataflow-templates/x") };
        let with_class = JobSpec { entry_class: Some("A".into()), ..named("gs://dataflow-templates/x") };
        let module = JobSpec { module: Some("m".into()), ..JobSpec::default() };
        for (spec, reason) in [
            (code("wordcount.py"), "template_needed"),
            (code("a.jar"), "template_needed"),
            (code("here.yaml"), "yaml_file_on_the_server"),
            (JobSpec::default(), "no_template"),
            (module, "template_needed"),
            (with_class, "template_needed"),
            (both, "two_codes"),
        ] {
            assert_eq!(chosen(spec, false).unwrap_err(), reason);
        }
    }
}

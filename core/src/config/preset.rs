use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check::{bad, nearest};
use crate::{
    error::Error,
    job::{JobType, id::is_target},
};

/// What callers of a target may name instead of writing it out. The operator wrote it, so its options may be those that
/// only an operator sets, and its template or module is one that callers may run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// Text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Kind of pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<JobType>,
    /// Path beneath the roots, or an artifact; a caller who names code has theirs instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_path: Option<String>,
    /// Installed Python module, instead of `code_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Beam YAML, or its path, instead of `code_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
    /// Main class of the jar in `code_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// Plain program arguments; a caller's take their place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Template to launch (Dataflow).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_path: Option<String>,
    /// Parameters of the template; a caller's win.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub template_parameters: Map<String, Value>,
    /// Pipeline options, over the target's and under the caller's.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

/// Checks the name of a preset, and that it names one code.
///
/// # Errors
/// `invalid_argument`, reason `bad_configuration`.
pub(super) fn check(path: &str, name: &str, preset: &Preset) -> Result<(), Error> {
    if !is_target(name) {
        return Err(bad(path, "a preset's name is a lower-case letter, then letters, digits or `-`, at most 32"));
    }
    let codes = [&preset.code_path, &preset.module, &preset.yaml, &preset.template_path];
    if codes.into_iter().flatten().count() > 1 {
        return Err(bad(path, "a preset names one of `code_path`, `module`, `yaml` and `template_path`"));
    }
    Ok(())
}

impl super::Target {
    /// The preset a caller names.
    ///
    /// # Errors
    /// `invalid_argument`, reason `unknown_preset`, that names the nearest.
    pub fn preset(&self, name: &str) -> Result<&Preset, Error> {
        self.presets.get(name).ok_or_else(|| {
            let known = || self.presets.keys().map(String::as_str);
            let error = Error::invalid("unknown_preset", format!("the target `{}` has no preset `{name}`", self.name))
                .with("known", known().collect::<Vec<_>>().join(", "));
            match nearest(name, known()) {
                Some(near) => error.suggest(format!("did you mean `{near}`?")),
                None => error.suggest("take one that list_runners shows for the target, or leave `preset` out"),
            }
        })
    }

    /// True when a preset launches this template or runs this module: the operator lets callers do so.
    pub fn presets_run(&self, code: &str) -> bool {
        self.presets
            .values()
            .any(|preset| [&preset.template_path, &preset.module].into_iter().flatten().any(|own| own == code))
    }
}

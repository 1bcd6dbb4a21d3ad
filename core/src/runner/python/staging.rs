//! Options with which a program brings files for its workers, refused where nothing stages them.

use serde_json::Value;

use crate::{config::Target, error::Error, job::JobSpec, runner::options::same};

/// Beam's options that name such files.
pub(super) const NAMES_FILES: [&str; 5] =
    ["requirements_file", "extra_package", "extra_packages", "file_to_stage", "files_to_stage"];
/// Its option that names a whole folder by one file in it.
const SETUP_FILE: &str = "setup_file";

/// Refuses options that would bring files, wherever they come from, before any code runs.
///
/// # Errors
/// `unsupported`, reason `artifacts_not_staged`.
pub(in crate::runner) fn check(target: &Target, spec: &JobSpec) -> Result<(), Error> {
    let options = spec.pipeline_options.iter().filter(|(_, value)| is_set(value)).map(|(name, _)| name.as_str());
    let arguments = spec.args.iter().filter_map(|argument| name(argument));
    if let Some(option) = options.chain(arguments).find(|name| brings_files(name)) {
        return Err(not_staged(format!("the option `{option}` brings files for the workers, which are not staged"))
            .with("option", option));
    }
    match configured(target, spec, brings_files) {
        Some(option) => Err(not_staged(format!(
            "the option `{option}` of the target, the context or the preset brings files for the workers, which are not staged"
        ))
        .with("option", option)),
        None => Ok(()),
    }
}

/// An option that the target, the context or the preset sets, and no later source unsets.
fn configured<'a>(target: &'a Target, spec: &'a JobSpec, is_meant: impl Fn(&str) -> bool) -> Option<&'a str> {
    let layers = [&target.options, &spec.context_options, &spec.preset_options, &spec.pipeline_options];
    let last = |name: &str| layers.into_iter().flatten().rfind(|(own, _)| same(own, name));
    let mut named = layers.into_iter().take(3).flatten().map(|(name, _)| name.as_str()).filter(|name| is_meant(name));
    named.find(|name| last(name).is_some_and(|(_, value)| is_set(value)))
}

/// True for a value that names something.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn name(argument: &str) -> Option<&str> {
    argument.starts_with('-').then(|| argument.trim_start_matches('-').split('=').next().unwrap_or_default())
}

fn brings_files(name: &str) -> bool {
    NAMES_FILES.iter().chain([&SETUP_FILE]).any(|option| same(option, name))
}

/// Refuses what is not staged where files are: a source folder, and files that are no option's value.
///
/// # Errors
/// `unsupported`, reason `artifacts_not_staged`.
pub(super) fn check_cluster(target: &Target, spec: &JobSpec) -> Result<(), Error> {
    let is_folder = |name: &str| same(SETUP_FILE, name);
    let mut set = spec.pipeline_options.iter().filter(|(_, value)| is_set(value)).map(|(name, _)| name.as_str());
    let callers = set.find(|name| is_folder(name));
    if let Some(option) = callers.or_else(|| configured(target, spec, is_folder)) {
        return Err(Error::unsupported("artifacts_not_staged", "a source folder is not staged for the workers")
            .with("option", option)
            .suggest("build a package of it (`pip wheel --no-deps .`) and name that in `extra_packages`"));
    }
    let arguments = spec.args.iter().filter_map(|argument| name(argument));
    match arguments.into_iter().find(|name| brings_files(name)) {
        Some(option) => Err(Error::unsupported("artifacts_not_staged", "files for the workers are no plain arguments")
            .with("option", option)
            .suggest("set it in `pipeline_options`")),
        None => Ok(()),
    }
}

/// The error of a pipeline that brings files.
pub(super) fn not_staged(message: impl Into<String>) -> Error {
    Error::unsupported("artifacts_not_staged", message).suggest(
        "install the packages in the Python of the workers, or keep all of the code in one file; leave requirements_file, \
         setup_file, extra_packages, files_to_stage and save_main_session out; a direct target imports what lies beside \
         the program",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::RunnerKind;

    fn reason(target: Value, options: Value, args: &[&str]) -> Option<String> {
        let target =
            Target { options: serde_json::from_value(target).unwrap(), ..Target::new("flink", RunnerKind::Flink) };
        let spec = JobSpec {
            pipeline_options: serde_json::from_value(options).unwrap(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..JobSpec::default()
        };
        check(&target, &spec).err().map(|error| error.reason().to_owned())
    }

    #[test]
    fn files_for_workers_are_refused_wherever_they_are_named() {
        for (target, options, args) in [
            (json!({}), json!({"requirements_file": "r.txt"}), vec![]),
            (json!({}), json!({"setup-file": "setup.py"}), vec![]),
            (json!({}), json!({"extraPackages": ["a.whl"]}), vec![]),
            (json!({}), json!({}), vec!["--files_to_stage=x"]),
            (json!({}), json!({}), vec!["--extra_package", "x"]),
            (json!({"requirements_file": "r.txt"}), json!({}), vec![]),
        ] {
            assert_eq!(reason(target, options, &args).as_deref(), Some("artifacts_not_staged"));
        }
        assert_eq!(reason(json!({"setup_file": "s"}), json!({"setupFile": null, "extra_packages": []}), &["x"]), None);
        assert_eq!(reason(json!({}), json!({"requirements_cache": "skip"}), &["requirements_file"]), None);
    }

    #[test]
    fn a_cluster_is_brought_files_but_no_folder() {
        let check = |options: Value, args: &[&str]| {
            let spec = JobSpec {
                pipeline_options: serde_json::from_value(options).unwrap(),
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
                ..JobSpec::default()
            };
            check_cluster(&Target::new("flink", RunnerKind::Flink), &spec).err().map(|error| error.reason().to_owned())
        };
        assert_eq!(check(json!({"requirements_file": "r.txt", "setup_file": null}), &["x"]), None);
        assert_eq!(check(json!({"setupFile": "setup.py"}), &[]).as_deref(), Some("artifacts_not_staged"));
        assert_eq!(check(json!({}), &["--extra_package=x"]).as_deref(), Some("artifacts_not_staged"));
    }

    #[test]
    fn a_folder_is_refused_in_targets_and_presets_unless_the_caller_takes_it_back() {
        let check = |target: Value, preset: Value, caller: Value| {
            let options = |value| serde_json::from_value(value).unwrap();
            let target = Target { options: options(target), ..Target::new("flink", RunnerKind::Flink) };
            let spec =
                JobSpec { preset_options: options(preset), pipeline_options: options(caller), ..JobSpec::default() };
            check_cluster(&target, &spec).err().map(|error| error.reason().to_owned())
        };
        let (none, folder, null) = (json!({}), json!({"setup_file": "setup.py"}), json!({"setupFile": null}));
        let refused = Some("artifacts_not_staged".to_owned());
        assert_eq!(check(folder.clone(), none.clone(), none.clone()), refused);
        assert_eq!(check(none.clone(), folder.clone(), none.clone()), refused);
        assert_eq!(check(folder.clone(), null.clone(), none.clone()), None, "a preset takes back what its target says");
        assert_eq!(check(null.clone(), folder.clone(), none.clone()), refused);
        assert_eq!(check(folder.clone(), folder, null), None);
        assert_eq!(check(json!({"extra_package": "a.whl"}), none.clone(), none), None);
    }
}

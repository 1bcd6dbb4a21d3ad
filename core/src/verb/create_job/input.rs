use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    config::{Config, Preset, RunnerKind, Target},
    error::Error,
    job::{ExecutionContext, JobSpec, JobType},
    runner::options::same as same_option,
    text::clean_line,
    verb::create_savepoint::{contradiction, same},
};

/// Input of `create_job`. Pairs of names mean the same thing; two different values for one meaning are an error.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Name for people; default: the file's or module's name.
    pub job_name: Option<String>,
    /// Same as `job_name`.
    pub name: Option<String>,
    /// Name of the target, from `list_runners`.
    pub target: Option<String>,
    /// Runner or target: `flink` means the target `flink`, else the only Flink target.
    pub runner_type: Option<String>,
    /// Same as `runner_type`.
    #[schemars(extend("deprecated" = true))]
    pub runner: Option<String>,
    /// BATCH or STREAMING.
    pub job_type: Option<String>,
    /// A context of the catalogue: its options are over the target's and under the rest.
    pub context_id: Option<String>,
    /// A preset of the target.
    pub preset: Option<String>,
    /// Path on the server beneath its roots, or `artifact:sha256:<hex>` of an uploaded file.
    pub code_path: Option<String>,
    /// Same as `code_path`.
    #[schemars(extend("deprecated" = true))]
    pub pipeline_path: Option<String>,
    /// Dotted name of a Python module that is installed with the target's interpreter, instead of `code_path`.
    pub module: Option<String>,
    /// Beam YAML: the pipeline itself, or a path or artifact as in `code_path`, on one line.
    pub yaml: Option<String>,
    /// Main class of the jar, where its manifest names none.
    pub entry_class: Option<String>,
    /// Plain program arguments, before the options.
    pub args: Vec<String>,
    /// Template to launch (Dataflow).
    pub template_path: Option<String>,
    /// Parameters of the template.
    pub template_parameters: Map<String, Value>,
    /// Pipeline options by name: Beam's own, the pipeline's, and `parallelism`, `checkpoint_interval` (ms),
    /// `state_backend` (Flink).
    pub pipeline_options: Map<String, Value>,
    /// Same as `pipeline_options`.
    pub options: Map<String, Value>,
    /// Same as the option of this name.
    pub project: Option<String>,
    /// Same as the option of this name.
    pub region: Option<String>,
    /// Same as the option of this name.
    pub temp_location: Option<String>,
    /// Same as the option of this name.
    pub parallelism: Option<u32>,
    /// Savepoint to start from; beneath what the target allows.
    pub savepoint_path: Option<String>,
    /// Start although the savepoint holds state the pipeline no longer has.
    pub allow_non_restored_state: bool,
    /// Makes a repeated call answer with the job of the first; at most 255 bytes, kept 7 days.
    pub idempotency_key: Option<String>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

/// What a call of `create_job` means.
pub(crate) struct Normalised {
    /// What the caller said, with nothing of the preset and the context but their names: the same call is the same after
    /// they were edited.
    pub(crate) asked: JobSpec,
    /// What is submitted, and where; refused where there is no such preset or context, which a call that is repeated may
    /// not care about.
    pub(crate) meant: Result<(JobSpec, Target), Error>,
}

impl Input {
    /// What is meant; `profile` is the context that is named, or why there is none. Where no target and no runner is named,
    /// the context's runner is.
    ///
    /// # Errors
    /// `invalid_argument` for contradicting aliases and bad values, or [`Config::target`]'s.
    pub(crate) fn normalise(
        mut self,
        config: &Config,
        profile: Option<Result<ExecutionContext, Error>>,
    ) -> Result<Normalised, Error> {
        let runner = same("runner_type", self.runner_type.take(), "runner", self.runner.take())?;
        let (named, target) = match (self.target.as_deref(), runner.as_deref(), &profile) {
            (None, None, Some(Err(error))) => (String::new(), Err(error.clone())),
            (None, None, Some(Ok(profile))) => {
                let kind = profile.context_type.runner().map(RunnerKind::as_str);
                (String::new(), find_target(config, None, kind).cloned())
            }
            (target, runner, _) => {
                let target = find_target(config, target, runner)?.clone();
                (target.name.clone(), Ok(target))
            }
        };
        let asked = self.clone().put_together(&named, Map::new())?;
        Ok(Normalised { asked, meant: target.and_then(|target| self.meant(target, profile)) })
    }

    fn meant(
        self,
        target: Target,
        profile: Option<Result<ExecutionContext, Error>>,
    ) -> Result<(JobSpec, Target), Error> {
        let spec = match self.preset.as_deref() {
            Some(name) => {
                let preset = target.preset(name)?;
                self.over(preset).put_together(&target.name, preset.options.clone())?
            }
            None => self.put_together(&target.name, Map::new())?,
        };
        Ok((in_context(spec, profile.transpose()?, &target)?, target))
    }

    fn put_together(self, target: &str, preset_options: Map<String, Value>) -> Result<JobSpec, Error> {
        let code_path = same("code_path", self.code_path, "pipeline_path", self.pipeline_path)?;
        let (yaml_path, yaml) = yaml_form(self.yaml)?;
        let code_path = same("code_path", code_path, "yaml", yaml_path)?;
        let job_name = same("job_name", self.job_name, "name", self.name)?;
        let pipeline_options = merged([
            ("pipeline_options", self.pipeline_options),
            ("options", self.options),
            ("top level", top_level(self.project, self.region, self.temp_location, self.parallelism)),
        ])?;
        Ok(JobSpec {
            job_name: checked_name(job_name.or(self.preset.clone()), code_path.as_deref().or(self.module.as_deref()))?,
            target: target.to_owned(),
            job_type: self.job_type.as_deref().map(job_type).transpose()?,
            code_path,
            module: self.module,
            yaml,
            pipeline: None,
            entry_class: self.entry_class,
            args: self.args,
            template_path: self.template_path,
            template_parameters: self.template_parameters,
            pipeline_options,
            context_id: self.context_id,
            context_options: Map::new(),
            context_by_operator: false,
            preset: self.preset,
            preset_options,
            savepoint_path: self.savepoint_path,
            own_savepoint: false,
            allow_non_restored_state: self.allow_non_restored_state,
        })
    }

    /// What the caller left open is as the preset has it.
    fn over(mut self, preset: &Preset) -> Self {
        let code = [&self.code_path, &self.pipeline_path, &self.module, &self.yaml, &self.template_path];
        if code.into_iter().all(Option::is_none) {
            self.code_path.clone_from(&preset.code_path);
            self.module.clone_from(&preset.module);
            self.yaml.clone_from(&preset.yaml);
            self.template_path.clone_from(&preset.template_path);
            self.entry_class = self.entry_class.or_else(|| preset.entry_class.clone());
        }
        if self.args.is_empty() {
            self.args.clone_from(&preset.args);
        }
        self.job_type = self.job_type.or_else(|| preset.job_type.map(|kind| kind.as_str().to_owned()));
        for (name, value) in &preset.template_parameters {
            self.template_parameters.entry(name).or_insert_with(|| value.clone());
        }
        self
    }
}

/// True where Beam's option `update` is on: a running job of the name is replaced. The caller's word counts before the
/// preset's, and that before the target's; what cannot be read is refused later.
pub(crate) fn replaces(config: &Config, arguments: &Map<String, Value>) -> bool {
    let input = serde_json::from_value::<Input>(arguments.clone().into());
    let Ok(input) = input else { return false };
    let replaces = |input: Input| input.normalise(config, None).is_ok_and(|meant| meant.replaces());
    let says_where = [&input.target, &input.runner, &input.runner_type].into_iter().any(Option::is_some);
    if says_where || input.context_id.is_none() {
        return replaces(input);
    }
    // The context says which target it is: any that replaces counts.
    config.targets.keys().any(|target| replaces(Input { target: Some(target.clone()), ..input.clone() }))
}

impl Normalised {
    fn replaces(&self) -> bool {
        let Ok((spec, target)) = &self.meant else { return false };
        let all = [&spec.pipeline_options, &spec.preset_options, &target.options];
        let named = all.into_iter().flatten().find(|(name, _)| same_option(name, "update"));
        named.is_some_and(|(_, value)| !is_off(value))
    }
}

/// True for `false`, also as text.
pub(crate) fn is_off(value: &Value) -> bool {
    *value == false || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"))
}

/// Most bytes of a pipeline in a call: it is kept with the job.
const YAML_BYTES: usize = 64 << 10;

/// A path, or the pipeline itself.
fn yaml_form(yaml: Option<String>) -> Result<(Option<String>, Option<String>), Error> {
    let Some(text) = yaml else { return Ok((None, None)) };
    let line = text.trim();
    let extension = line.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_named = line.starts_with("artifact:") || matches!(extension.as_str(), "yaml" | "yml");
    let is_path = is_named && !line.contains('\n');
    if is_path {
        return Ok((Some(line.to_owned()), None));
    }
    if text.len() > YAML_BYTES {
        return Err(Error::invalid("yaml_too_large", format!("`yaml` holds at most {YAML_BYTES} bytes"))
            .suggest("put the pipeline into a file beneath the roots, or upload it as an artifact, and name that"));
    }
    Ok((None, Some(text)))
}

fn find_target<'a>(config: &'a Config, target: Option<&str>, runner: Option<&str>) -> Result<&'a Target, Error> {
    let found = config.target(target.or(runner))?;
    let agrees = runner.is_none_or(|runner| runner == found.name || RunnerKind::parse(runner) == Some(found.runner));
    if agrees { Ok(found) } else { Err(contradiction("target", "runner_type")) }
}

/// The spec with the options of the context it names.
fn in_context(spec: JobSpec, profile: Option<ExecutionContext>, target: &Target) -> Result<JobSpec, Error> {
    let Some(profile) = profile else { return Ok(spec) };
    let kind = profile.context_type;
    if kind.runner().is_some_and(|runner| runner != target.runner) {
        let message =
            format!("the context `{}` is for {}, and the target `{}` is none", profile.id, kind.as_str(), target.name);
        return Err(Error::invalid("context_of_another_runner", message)
            .with("context_id", &profile.id)
            .suggest("name a target of that runner, or another context of GET /api/v1/contexts"));
    }
    Ok(JobSpec { context_options: profile.parameters, context_by_operator: profile.by_operator, ..spec })
}

fn job_type(text: &str) -> Result<JobType, Error> {
    match text.to_ascii_uppercase().as_str() {
        "BATCH" => Ok(JobType::Batch),
        "STREAMING" => Ok(JobType::Streaming),
        _ => Err(Error::invalid("bad_job_type", "`job_type` is BATCH or STREAMING").with("job_type", text)),
    }
}

fn checked_name(name: Option<String>, code: Option<&str>) -> Result<String, Error> {
    let from_code = || code.and_then(|path| path.rsplit(['/', ':']).next()).map_or("job".to_owned(), str::to_owned);
    let name = name.unwrap_or_else(from_code);
    if name.is_empty() || name.len() > 128 || clean_line(&name, 128) != name {
        return Err(Error::invalid("bad_job_name", "`job_name` is 1 to 128 bytes of visible text on one line"));
    }
    Ok(name)
}

fn top_level(
    project: Option<String>,
    region: Option<String>,
    temp_location: Option<String>,
    parallelism: Option<u32>,
) -> Map<String, Value> {
    let texts = [("project", project), ("region", region), ("temp_location", temp_location)];
    let texts = texts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value?))));
    texts.chain(parallelism.map(|value| ("parallelism".to_owned(), value.into()))).collect()
}

fn merged(sources: [(&str, Map<String, Value>); 3]) -> Result<Map<String, Value>, Error> {
    let mut all = Map::new();
    for (source, options) in sources {
        for (name, value) in options {
            if all.get(&name).is_some_and(|there| *there != value) {
                return Err(contradiction(&format!("{name} ({source})"), &format!("{name} (pipeline_options)")));
            }
            all.insert(name, value);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(input: Value) -> Result<JobSpec, Error> {
        let config = Config::from_json(&json!({"targets": {
            "flink": {"runner": "flink", "url": "http://127.0.0.1:8081"}, "sim": {"runner": "simulator"}}}))?;
        serde_json::from_value::<Input>(input).unwrap().normalise(&config, None)?.meant.map(|(spec, _)| spec)
    }

    #[test]
    fn the_spellings_of_the_seeds_mean_the_same() {
        let s0 = json!({"name": "j", "runner": "FlinkRunner", "pipeline_path": "a.jar", "options": {"parallelism": 4},
            "job_type": "streaming"});
        let s1 = json!({"job_name": "j", "runner_type": "flink", "code_path": "a.jar", "parallelism": 4,
            "pipeline_options": {"parallelism": 4}, "job_type": "STREAMING"});
        assert_eq!(read(s0).unwrap(), read(s1).unwrap());
    }

    #[test]
    fn two_values_for_one_meaning_are_an_error() {
        for input in [
            json!({"name": "a", "job_name": "b", "target": "sim"}),
            json!({"runner": "flink", "runner_type": "simulator"}),
            json!({"target": "sim", "runner": "flink"}),
            json!({"target": "sim", "options": {"x": 1}, "pipeline_options": {"x": 2}}),
            json!({"target": "sim", "parallelism": 1, "options": {"parallelism": 2}}),
        ] {
            assert_eq!(read(input.clone()).unwrap_err().reason(), "contradicting_aliases", "{input}");
        }
    }

    #[test]
    fn yaml_is_a_path_or_the_pipeline_itself() {
        let spec = |yaml: &str| read(json!({"target": "sim", "yaml": yaml})).unwrap();
        let inline = spec("pipeline:\n  transforms: []\n# see a.yaml");
        assert_eq!((inline.code_path, inline.yaml.is_some()), (None, true));
        assert_eq!(spec(" jobs/a.yaml\n").code_path.as_deref(), Some("jobs/a.yaml"));
        let large = json!({"target": "sim", "yaml": "x: ".repeat(30_000)});
        assert_eq!(read(large).unwrap_err().reason(), "yaml_too_large");
        let both = json!({"target": "sim", "yaml": "a.yaml", "code_path": "b.py"});
        assert_eq!(read(both).unwrap_err().reason(), "contradicting_aliases");
    }

    #[test]
    fn a_preset_stands_for_what_the_caller_leaves_open() {
        let config = Config::from_json(&json!({"targets": {"sim": {"runner": "simulator", "presets": {"nightly": {
            "description": "each night", "job_type": "BATCH", "code_path": "words.py", "args": ["-v"],
            "template_parameters": {"a": 1, "b": 2}, "options": {"parallelism": 4}}}}}}))
        .unwrap();
        let read = |more: Value| {
            let mut input = json!({"target": "sim", "preset": "nightly"});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Input>(input).unwrap().normalise(&config, None).and_then(|all| Ok(all.meant?.0))
        };
        let plain = read(json!({})).unwrap();
        assert_eq!((plain.job_name.as_str(), plain.code_path.as_deref()), ("nightly", Some("words.py")));
        assert_eq!((plain.job_type, plain.args.len(), plain.pipeline_options.len()), (Some(JobType::Batch), 1, 0));
        assert_eq!(Value::Object(plain.preset_options), json!({"parallelism": 4}));
        let changed = json!({"job_type": "STREAMING", "module": "m", "args": ["-q"], "template_parameters": {"a": 9}});
        let changed = read(changed).unwrap();
        assert_eq!(
            (changed.code_path, changed.module.as_deref()),
            (None, Some("m")),
            "a caller's code is the only one"
        );
        assert_eq!((changed.job_type, changed.args), (Some(JobType::Streaming), vec!["-q".to_owned()]));
        assert_eq!(Value::Object(changed.template_parameters), json!({"a": 9, "b": 2}));
        let unknown = read(json!({"preset": "nightl"})).unwrap_err();
        assert_eq!((unknown.reason(), unknown.suggestion()), ("unknown_preset", "did you mean `nightly`?"));
    }

    #[test]
    fn a_name_is_taken_from_the_code_and_must_be_plain() {
        assert_eq!(read(json!({"target": "sim", "code_path": "x/wordcount.py"})).unwrap().job_name, "wordcount.py");
        assert_eq!(read(json!({"target": "sim", "name": "a\u{202e}b"})).unwrap_err().reason(), "bad_job_name");
    }
}

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{beam, check_caller, check_name, check_total, check_value, normal, same, text, twice};
use crate::{
    config::{RunnerKind, Target},
    error::Error,
    job::JobSpec,
    runner::{Provenance, ResolvedOption},
};

/// Who says what about the options of one job: the target, the context and the preset that were named, the caller. The
/// later wins.
#[derive(Debug)]
pub struct Sources {
    runner: RunnerKind,
    layers: [(Provenance, Map<String, Value>); 4],
    operator: bool,
    context_by_operator: bool,
    own: Vec<String>,
}

impl Sources {
    /// What is said about a job on a target; `operator`: the caller may set what only an operator may.
    pub fn of(target: &Target, spec: &JobSpec, operator: bool) -> Self {
        let layers = [
            (Provenance::Target, target.options.clone()),
            (Provenance::Context, spec.context_options.clone()),
            (Provenance::Preset, spec.preset_options.clone()),
            (Provenance::Caller, spec.pipeline_options.clone()),
        ];
        let context_by_operator = spec.context_by_operator;
        Self { runner: target.runner, layers, operator, context_by_operator, own: Vec::new() }
    }

    /// The program says that it has options of these names: they are none of Beam's.
    #[must_use]
    pub fn declared(mut self, names: impl Iterator<Item = String>) -> Self {
        self.own = names.collect();
        self
    }

    /// True where a source may set what only an operator may: not in a plain caller's call, nor in a context that such a
    /// one wrote, whoever names it.
    pub fn may(&self, from: Provenance) -> bool {
        match from {
            Provenance::Caller => self.operator,
            Provenance::Context => self.context_by_operator,
            Provenance::Product | Provenance::Target | Provenance::Preset => true,
        }
    }

    /// Takes an option out of every source, in whichever spelling, the least particular first.
    ///
    /// # Errors
    /// `invalid_argument`, reason `option_twice`.
    pub fn take(&mut self, name: &str) -> Result<Vec<(Provenance, Value)>, Error> {
        let mut taken = Vec::new();
        for (from, options) in &mut self.layers {
            let spellings: Vec<String> = options.keys().filter(|key| same(key, name)).cloned().collect();
            if let [one, other, ..] = spellings.as_slice() {
                return Err(twice(one, other));
            }
            taken.extend(spellings.iter().filter_map(|key| options.remove(key)).map(|value| (*from, value)));
        }
        Ok(taken)
    }

    /// The options of the job in order of name, each with its origin, checked against what Beam says of it.
    ///
    /// # Errors
    /// As [`check_name`], [`check_value`] and [`check_caller`]; `invalid_argument`, reason `option_twice`,
    /// `options_too_large`, `bad_option_value` or `unknown_option`.
    pub fn resolve(self) -> Result<Vec<ResolvedOption>, Error> {
        let mut merged = BTreeMap::new();
        for (from, options) in &self.layers {
            for (name, value) in options {
                if !self.may(*from) {
                    check_caller(name, false)?;
                }
                let old = merged.insert(normal(name), resolved(name, value, *from)?);
                if let Some(twin) = old.filter(|old| old.from == *from) {
                    return Err(twice(&twin.name, name));
                }
            }
        }
        let mut merged: Vec<_> = merged.into_values().collect();
        check_total(merged.iter().map(|option| option.name.len() + option.value.to_string().len()).sum())?;
        for option in merged.iter_mut().filter(|option| !self.own.contains(&option.name)) {
            beam::judge(option, self.runner)?;
        }
        Ok(merged)
    }
}

fn resolved(name: &str, value: &Value, from: Provenance) -> Result<ResolvedOption, Error> {
    check_name(name)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_value(name, &text(item)))?,
        other => check_value(name, &text(other))?,
    }
    Ok(ResolvedOption { name: name.to_owned(), value: value.clone(), from, note: String::new() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{error::ErrorKind, runner::options::VALUE_BYTES};

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn sources(target: Value, preset: Value, caller: Value, operator: bool) -> Sources {
        let target = Target { options: map(target), ..Target::new("local", RunnerKind::Direct) };
        let spec = JobSpec { preset_options: map(preset), pipeline_options: map(caller), ..JobSpec::default() };
        Sources::of(&target, &spec, operator)
    }

    #[test]
    fn the_caller_wins_over_the_preset_and_that_over_the_target() {
        let resolve = |caller, operator| {
            let target = json!({"direct_num_workers": 4, "setup_file": "s.py", "temp_location": "/t", "region": "a"});
            sources(target, json!({"tempLocation": "/p", "region": "b"}), caller, operator).resolve()
        };
        let merged = resolve(json!({"directNumWorkers": 2, "region": "c"}), false).unwrap();
        let rows: Vec<_> = merged.iter().map(|o| (o.name.as_str(), o.value.clone(), o.from)).collect();
        assert_eq!(
            rows,
            [
                ("directNumWorkers", json!(2), Provenance::Caller),
                ("region", json!("c"), Provenance::Caller),
                ("setup_file", json!("s.py"), Provenance::Target),
                ("tempLocation", json!("/p"), Provenance::Preset),
            ]
        );
        let denied = resolve(json!({"setupFile": "evil.py"}), false).unwrap_err();
        assert_eq!((denied.kind(), denied.reason()), (ErrorKind::PermissionDenied, "operator_only_option"));
        assert_eq!(resolve(json!({"setupFile": "mine.py"}), true).unwrap()[2].from, Provenance::Caller);
    }

    #[test]
    fn what_a_preset_says_is_the_operators_word() {
        let merged = sources(json!({}), json!({"setup_file": "s.py"}), json!({}), false).resolve().unwrap();
        assert_eq!(merged[0].from, Provenance::Preset);
    }

    #[test]
    fn a_context_is_over_the_target_and_under_the_preset_and_as_trusted_as_who_wrote_it() {
        let target =
            Target { options: map(json!({"region": "t", "zone": "t"})), ..Target::new("f", RunnerKind::Flink) };
        let spec = |context: Value, by_operator| JobSpec {
            context_options: map(context),
            context_by_operator: by_operator,
            preset_options: map(json!({"zone": "p"})),
            ..JobSpec::default()
        };
        let plain = spec(json!({"region": "c", "zone": "c"}), false);
        let merged = Sources::of(&target, &plain, false).resolve().unwrap();
        let origins: Vec<_> = merged.iter().map(|option| (option.value.clone(), option.from)).collect();
        assert_eq!(origins, [(json!("c"), Provenance::Context), (json!("p"), Provenance::Preset)]);
        let code = |by_operator, operator| {
            let spec = spec(json!({"setup_file": "s.py"}), by_operator);
            Sources::of(&target, &spec, operator).resolve().map(|_| ())
        };
        code(true, false).unwrap();
        for operator in [false, true] {
            assert_eq!(code(false, operator).unwrap_err().reason(), "operator_only_option", "whoever names it");
        }
    }

    #[test]
    fn an_option_is_taken_from_every_source() {
        let one = |value: &str| json!({"flink_configuration": value});
        let mut all = sources(one("a"), json!({"flinkConfiguration": "b"}), one("c"), false);
        let taken = all.take("flink_configuration").unwrap();
        let values: Vec<_> = taken.iter().map(|(from, value)| (*from, value.as_str().unwrap())).collect();
        assert_eq!(values, [(Provenance::Target, "a"), (Provenance::Preset, "b"), (Provenance::Caller, "c")]);
        assert_eq!(all.resolve().unwrap(), []);
        let both = json!({"flink_configuration": 1, "flinkConfiguration": 2});
        let twice = sources(json!({}), json!({}), both, false).take("flink_configuration").unwrap_err();
        assert_eq!(twice.reason(), "option_twice");
    }

    #[test]
    fn one_option_in_two_spellings_and_too_much_are_refused() {
        let refused = |caller| sources(json!({}), json!({}), caller, false).resolve().unwrap_err();
        assert_eq!(refused(json!({"temp_location": "a", "tempLocation": "b"})).reason(), "option_twice");
        let many: Map<String, Value> = (0..9).map(|n| (format!("o{n}"), json!("x".repeat(VALUE_BYTES)))).collect();
        assert_eq!(refused(Value::Object(many)).reason(), "options_too_large");
    }
}

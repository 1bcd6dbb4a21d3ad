//! What the operator has written, as a caller reads it: of options that only an operator may set, the names.

use serde_json::{Map, Value};

use super::Context;
use crate::{
    auth::Scope,
    config::{Preset, Target},
    runner::options::{withhold, withhold_arguments, withhold_members},
};

impl Context {
    /// Options, without the values that are not the caller's to read.
    pub(crate) fn shown_options(&self, mut options: Map<String, Value>) -> Map<String, Value> {
        if !self.call.caller.may(Scope::Admin) {
            withhold_members(&mut options);
        }
        options
    }

    /// The same for a document that holds options somewhere.
    pub(crate) fn shown_document(&self, mut document: Value) -> Value {
        if !self.call.caller.may(Scope::Admin) {
            withhold(&mut document);
        }
        document
    }

    /// A target with its presets, so.
    pub(super) fn shown_target(&self, target: &Target) -> Target {
        let presets = target.presets.iter().map(|(name, preset)| (name.clone(), self.shown_preset(preset.clone())));
        Target { options: self.shown_options(target.options.clone()), presets: presets.collect(), ..target.clone() }
    }

    fn shown_preset(&self, mut preset: Preset) -> Preset {
        if !self.call.caller.may(Scope::Admin) {
            withhold_arguments(&mut preset.args);
        }
        preset.options = self.shown_options(preset.options);
        preset.template_parameters = self.shown_options(preset.template_parameters);
        preset
    }
}

//! A Beam YAML document: its transforms, and the keys of their configurations with their places.

#![expect(clippy::zero_sized_map_values, reason = "serde reads objects into maps, of which only the names matter here")]

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::beam_yaml::{Taken, taken};

/// What a transform says of itself, besides its type, name and configuration and what it is made of.
pub(super) const MEMBERS: [&str; 4] = ["input", "output", "output_schema", "windowing"];

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) pipeline: Spanned<Transform>,
    #[serde(default)]
    providers: Vec<Provider>,
}

/// Where further transforms come from.
#[derive(Deserialize)]
struct Provider {
    /// `None`: from another file.
    #[serde(default)]
    transforms: Option<Members>,
}

/// A transform, or the pipeline itself, which is a composite one.
#[derive(Deserialize)]
pub(super) struct Transform {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    transforms: Vec<Spanned<Transform>>,
    #[serde(default)]
    extra_transforms: Vec<Spanned<Transform>>,
    #[serde(default)]
    source: Option<Box<Spanned<Transform>>>,
    #[serde(default)]
    sink: Option<Box<Spanned<Transform>>>,
    #[serde(default)]
    config: Option<Keys>,
    #[serde(default, rename = "resource_hints")]
    _resource_hints: Option<Members>,
    #[serde(flatten)]
    pub(super) members: Members,
}

/// An object of which only the names matter.
type Members = BTreeMap<String, IgnoredAny>;

/// An object of which only the names matter, and their places.
struct Keys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor).map(Self)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Vec<Spanned<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(keys)
    }
}

impl Transform {
    pub(super) fn all(&self) -> impl Iterator<Item = &Spanned<Transform>> {
        let ends = [&self.source, &self.sink].into_iter().flatten().map(AsRef::as_ref);
        self.transforms.iter().chain(&self.extra_transforms).chain(ends)
    }

    pub(super) fn count(&self) -> u64 {
        self.all().map(|transform| 1 + transform.value.count()).sum()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.config.iter().flat_map(|config| &config.0)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        // A member such as `windowing` becomes a key of the transform that is made of it.
        self.keys().any(|given| given.value == key) || self.members.contains_key(key) && MEMBERS.contains(&key)
    }
}

impl Document {
    pub(super) fn has_providers(&self) -> bool {
        !self.providers.is_empty()
    }

    /// What a transform takes, unless it is not Beam's own.
    pub(super) fn taken(&self, transform: &Transform) -> Option<Taken> {
        let kind = transform.kind.as_deref()?;
        let is_own = |provider: &Provider| provider.transforms.as_ref().is_some_and(|own| !own.contains_key(kind));
        taken(kind).filter(|_| self.providers.iter().all(is_own))
    }
}

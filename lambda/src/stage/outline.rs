//! A Beam YAML pipeline as far as it can be read without Beam: what is no YAML, and what is no pipeline, with its line.
//!
//! # Source
//! `apache_beam/yaml/pipeline.schema.yaml` of Apache Beam 2.77: the shape; and the names of its transforms, of which a
//! near miss is a fault: what is far from all of them may come from a provider, or from a later Beam.

#![expect(clippy::zero_sized_map_values, reason = "serde reads objects into maps, of which only the names matter here")]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
};

use beam_mcp_core::{
    config::{nearest, slip},
    effect::{Outline, YamlFault},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::{Location, Spanned};

/// Largest file that is read; Beam reads larger ones when it runs them.
const MOST: u64 = 1 << 20;
/// The transforms Beam has.
const TRANSFORMS: &str = include_str!("transforms.txt");
/// Members that are read.
const OWN: [&str; 8] = ["type", "name", "config", "resource_hints", "transforms", "extra_transforms", "source", "sink"];
/// What a transform says of itself, besides its type, name and configuration and what it is made of.
const MEMBERS: [&str; 4] = ["input", "output", "output_schema", "windowing"];
/// Longest message kept.
const TEXT: usize = 400;

/// True for a file that is YAML by its name, or has none.
pub(super) fn is_meant(file_name: &str) -> bool {
    let extension = file_name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    file_name.is_empty() || matches!(extension.as_str(), "yaml" | "yml")
}

pub(super) fn read(file: File) -> io::Result<Outline> {
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Ok(Outline { templated: true, ..Outline::default() });
    }
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => of(text),
        Err(_) => faulty(0, 0, "the file is not UTF-8"),
    })
}

fn of(text: &str) -> Outline {
    // Jinja comes first: before it there may be no YAML to read.
    if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return Outline { templated: true, ..Outline::default() };
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 50_000, max_aliases: 100, max_depth: 64 },
    };
    match serde_saphyr::from_str_with_options::<Document>(text, options) {
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let message = error.to_string();
            faulty(line, column, message.lines().next().unwrap_or_default())
        }
        Ok(document) => judged(&document),
    }
}

fn faulty(line: u64, column: u64, message: &str) -> Outline {
    let message = message.chars().take(TEXT).collect();
    Outline { fault: Some(YamlFault { line, column, message }), ..Outline::default() }
}

#[derive(Deserialize)]
struct Document {
    pipeline: Spanned<Block>,
    /// Where further transforms come from.
    #[serde(default)]
    providers: Vec<IgnoredAny>,
}

/// The pipeline itself, or a composite transform.
#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    transforms: Vec<Spanned<Transform>>,
    #[serde(default)]
    extra_transforms: Vec<Spanned<Transform>>,
    #[serde(default)]
    source: Option<Box<Spanned<Transform>>>,
    #[serde(default)]
    sink: Option<Box<Spanned<Transform>>>,
}

#[derive(Deserialize)]
struct Transform {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(flatten)]
    block: Block,
    #[serde(default, rename = "config")]
    _config: Option<Members>,
    #[serde(default, rename = "resource_hints")]
    _resource_hints: Option<Members>,
    #[serde(flatten)]
    members: Members,
}

/// An object of which only the names matter.
type Members = BTreeMap<String, IgnoredAny>;

impl Block {
    fn all(&self) -> impl Iterator<Item = &Spanned<Transform>> {
        let ends = [&self.source, &self.sink].into_iter().flatten().map(AsRef::as_ref);
        self.transforms.iter().chain(&self.extra_transforms).chain(ends)
    }

    fn count(&self) -> u64 {
        self.all().map(|transform| 1 + transform.value.block.count()).sum()
    }

    /// The first transform that something is wrong with, at its own place, or, where that is not known, at that of what
    /// holds it.
    fn first(&self, above: Location, wrong: &dyn Fn(&Transform) -> Option<String>) -> Option<Outline> {
        self.all().find_map(|transform| {
            let at = if transform.referenced.line() == 0 { above } else { transform.referenced };
            let here = wrong(&transform.value).map(|message| faulty(at.line(), at.column(), &message));
            here.or_else(|| transform.value.block.first(at, wrong))
        })
    }
}

fn untyped(transform: &Transform) -> Option<String> {
    let named = || transform.name.as_deref().map_or(String::new(), |name| format!(" `{name}`"));
    match &transform.kind {
        Some(kind) if !kind.trim().is_empty() => None,
        _ => Some(format!("the transform{} has no `type`", named())),
    }
}

fn misspelt(transform: &Transform) -> Option<String> {
    let known = || OWN.into_iter().chain(MEMBERS);
    let mut unknown = transform.members.keys().filter(|name| known().all(|known| known != name.as_str()));
    unknown.find_map(|name| {
        let near = || known().filter_map(|known| Some((slip(name, known)?, known))).min().map(|(_, known)| known);
        // Of a short word one letter is much.
        let meant = if name.len() < 6 { nearest(name, known()) } else { near() }?;
        Some(format!("a transform has no `{name}`: did you mean `{meant}`?"))
    })
}

fn slipped(transform: &Transform) -> Option<String> {
    let kind = transform.kind.as_deref()?;
    Some(format!("there is no transform `{kind}`: did you mean `{}`?", meant(kind)?))
}

/// The transform of Beam's that a name nearly is.
fn meant(name: &str) -> Option<&'static str> {
    let known = || TRANSFORMS.lines().filter(|line| !line.starts_with('#'));
    let near = known().filter_map(|known| Some((slip(name, known)?, known))).min();
    near.filter(|_| known().all(|known| known != name)).map(|(_, known)| known)
}

fn judged(document: &Document) -> Outline {
    let Spanned { value: block, referenced: at, .. } = &document.pipeline;
    if block.all().next().is_none() {
        let text = "the pipeline has no transforms: expected `transforms`, or `source` and `sink`";
        return faulty(at.line(), at.column(), text);
    }
    let slip = || block.first(*at, &slipped).filter(|_| document.providers.is_empty());
    block
        .first(*at, &misspelt)
        .or_else(|| block.first(*at, &untyped))
        .or_else(slip)
        .unwrap_or_else(|| Outline { transforms: block.count(), ..Outline::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (u64, String) {
        let fault = of(text).fault.unwrap_or_else(|| panic!("no fault in {text}"));
        (fault.line, fault.message)
    }

    #[test]
    fn a_pipeline_is_counted() {
        let text = "pipeline:\n  type: chain\n  source:\n    type: Create\n    config: {elements: [1]}\n  transforms:\n    \
                    - type: composite\n      name: In\n      transforms:\n        - type: MapToFields\n  sink: {type: \
                    LogForTesting}\noptions: {streaming: false}\n";
        assert_eq!(of(text), Outline { transforms: 4, ..Outline::default() });
    }

    #[test]
    fn faults_have_lines() {
        for (text, line, said) in [
            ("pipeline:\n  transforms: [", 2, ""),
            ("pipelin:\n  transforms: []\n", 1, "pipeline"),
            ("pipeline:\n  transforms: []\n", 2, "no transforms"),
            ("pipeline:\n  transforms:\n    - type: Create\n    - name: Second\n      config: {}\n", 4, "`Second`"),
            ("pipeline:\n  transforms:\n    - type: Create\n      config: {a: 1}\n     bad\n", 5, ""),
            ("pipeline:\n  transforms: five\n", 2, ""),
            ("pipeline:\n  transforms:\n    - type: Create\n      config: [1]\n", 4, ""),
            ("pipeline:\n  transforms:\n    - type: Create\n      confg: {a: 1}\n", 3, "did you mean `config`?"),
            (
                "pipeline:\n  transforms:\n    - type: Create\n    - {typ: Create, inputs: a}\n",
                4,
                "did you mean `input`?",
            ),
            ("pipeline:\n  transforms:\n    - type: ReadFromTxt\n", 3, "did you mean `ReadFromText`?"),
            (
                "pipeline:\n  transforms:\n    - {type: composite, transforms: [{type: WriteToJsn}]}\n",
                3,
                "`WriteToJson`",
            ),
        ] {
            let (at, message) = fault(text);
            assert!(message.contains(said), "{message}");
            assert_eq!(at, line, "{text}: {message}");
        }
    }

    #[test]
    fn transforms_of_others_are_left_to_beam() {
        for text in [
            "pipeline:\n  transforms:\n    - type: NoSuchThing\n",
            "pipeline:\n  transforms:\n    - type: ReadFromTexts\nproviders:\n  - type: python\n",
        ] {
            assert_eq!(of(text).fault, None, "{text}");
        }
    }

    #[test]
    fn a_template_is_left_to_beam() {
        assert!(of("pipeline:\n{% for x in y %}").templated);
        assert_eq!((is_meant("a.YML"), is_meant(""), is_meant("a.py")), (true, true, false));
    }
}

//! A Beam YAML pipeline as far as it can be read without Beam: what is no YAML, and what is no pipeline, with its line.
//!
//! # Source
//! `apache_beam/yaml/pipeline.schema.yaml` of Apache Beam 2.77: the shape, not the transforms.

use std::{
    fs::File,
    io::{self, Read as _},
};

use beam_mcp_core::effect::{Outline, YamlFault};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// Largest file that is read; Beam reads larger ones when it runs them.
const MOST: u64 = 1 << 20;
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
    kind: Option<Spanned<String>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(flatten)]
    block: Block,
}

impl Block {
    fn all(&self) -> impl Iterator<Item = &Spanned<Transform>> {
        let ends = [&self.source, &self.sink].into_iter().flatten().map(AsRef::as_ref);
        self.transforms.iter().chain(&self.extra_transforms).chain(ends)
    }

    fn count(&self) -> u64 {
        self.all().map(|transform| 1 + transform.value.block.count()).sum()
    }

    fn first_fault(&self) -> Option<Outline> {
        self.all().find_map(|transform| match &transform.value.kind {
            Some(kind) if !kind.value.trim().is_empty() => transform.value.block.first_fault(),
            _ => {
                let named = transform.value.name.as_deref().map_or(String::new(), |name| format!(" `{name}`"));
                let at = transform.referenced;
                Some(faulty(at.line(), at.column(), &format!("the transform{named} has no `type`")))
            }
        })
    }
}

fn judged(document: &Document) -> Outline {
    let Spanned { value: block, referenced: at, .. } = &document.pipeline;
    if block.all().next().is_none() {
        let text = "the pipeline has no transforms: expected `transforms`, or `source` and `sink`";
        return faulty(at.line(), at.column(), text);
    }
    block.first_fault().unwrap_or_else(|| Outline { transforms: block.count(), ..Outline::default() })
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
        ] {
            let (at, message) = fault(text);
            assert!(message.contains(said), "{message}");
            assert_eq!(at, line, "{text}: {message}");
        }
    }

    #[test]
    fn a_template_is_left_to_beam() {
        assert!(of("pipeline:\n{% for x in y %}").templated);
        assert_eq!((is_meant("a.YML"), is_meant(""), is_meant("a.py")), (true, true, false));
    }
}

//! A Beam YAML pipeline as far as it can be read without Beam: what is no YAML, and what is no pipeline, with its line.
//!
//! # Source
//! `apache_beam/yaml/pipeline.schema.yaml` of Apache Beam 2.77: the shape; and the names of its transforms, of which a
//! near miss is a fault: what is far from all of them may come from a provider, or from a later Beam. The keys of their
//! configurations are in [`beam_yaml`](super::beam_yaml).

use std::{
    fs::File,
    io::{self, Read as _},
};

use beam_mcp_core::{
    config::{nearest, slip},
    effect::{Outline, YamlFault},
};
use serde_saphyr::{Location, Spanned};

use super::{
    beam_yaml::{BEAM, Taken},
    pipeline::{Document, MEMBERS, Transform},
};

/// Largest file that is read; Beam reads larger ones when it runs them.
const MOST: u64 = 1 << 20;
/// The transforms Beam has.
const TRANSFORMS: &str = include_str!("transforms.txt");
/// Members that are read.
const OWN: [&str; 8] = ["type", "name", "config", "resource_hints", "transforms", "extra_transforms", "source", "sink"];
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
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000 },
    };
    match serde_saphyr::from_str_with_options::<Document>(text, options) {
        // Beam has no such bounds: what is over ours is left to it.
        Err(error) if is_over_a_bound(error.without_snippet()) => Outline { templated: true, ..Outline::default() },
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let message = error.to_string();
            faulty(line, column, message.lines().next().unwrap_or_default())
        }
        Ok(document) => judged(&document),
    }
}

/// Within a member that is read as a type, the reader keeps the words alone.
fn is_over_a_bound(error: &serde_saphyr::Error) -> bool {
    matches!(error, serde_saphyr::Error::Budget { .. }) || error.to_string().contains("alias replay limit exceeded")
}

fn faulty(line: u64, column: u64, message: &str) -> Outline {
    let message = message.chars().take(TEXT).collect();
    Outline { fault: Some(YamlFault { line, column, message, beam: None }), ..Outline::default() }
}

/// What is wrong with a transform, and where in it; nowhere: at its own place.
struct Wrong(Option<Location>, String);

/// The first transform in this one that something is wrong with.
fn first(outer: &Transform, above: Location, wrong: &dyn Fn(&Transform) -> Option<Wrong>) -> Option<Outline> {
    outer.all().find_map(|transform| {
        let at = known(transform.referenced, above);
        let here = wrong(&transform.value).map(|Wrong(place, message)| {
            let at = place.map_or(at, |place| known(place, at));
            faulty(at.line(), at.column(), &message)
        });
        here.or_else(|| first(&transform.value, at, wrong))
    })
}

/// A place, or, where that is not known, that of what holds it.
fn known(place: Location, above: Location) -> Location {
    if place.line() == 0 { above } else { place }
}

fn untyped(transform: &Transform) -> Option<Wrong> {
    let named = || transform.name.as_deref().map_or(String::new(), |name| format!(" `{name}`"));
    match &transform.kind {
        Some(kind) if !kind.trim().is_empty() => None,
        _ => Some(Wrong(None, format!("the transform{} has no `type`", named()))),
    }
}

fn misspelt(transform: &Transform) -> Option<Wrong> {
    let known = || OWN.into_iter().chain(MEMBERS);
    let mut unknown = transform.members.keys().filter(|name| known().all(|known| known != name.as_str()));
    unknown.find_map(|name| {
        let near = || known().filter_map(|known| Some((slip(name, known)?, known))).min().map(|(_, known)| known);
        // Of a short word one letter is much.
        let meant = if name.len() < 6 { nearest(name, known()) } else { near() }?;
        Some(Wrong(None, format!("a transform has no `{name}`: did you mean `{meant}`?")))
    })
}

fn slipped(transform: &Transform) -> Option<Wrong> {
    let kind = transform.kind.as_deref()?;
    Some(Wrong(None, format!("there is no transform `{kind}`: did you mean `{}`?", meant(kind)?)))
}

/// The transform of Beam's that a name nearly is.
fn meant(name: &str) -> Option<&'static str> {
    let known = || TRANSFORMS.lines().filter(|line| !line.starts_with('#'));
    let near = known().filter_map(|known| Some((slip(name, known)?, known))).min();
    near.filter(|_| known().all(|known| known != name)).map(|(_, known)| known)
}

fn slipped_key(transform: &Transform, taken: &Taken) -> Option<Wrong> {
    transform.keys().find_map(|key| Some(Wrong(Some(key.referenced), taken.slipped(&key.value)?)))
}

fn unfit(transform: &Transform, taken: &Taken) -> Option<Wrong> {
    let mut foreign = transform.keys().filter_map(|key| Some(Wrong(Some(key.referenced), taken.foreign(&key.value)?)));
    foreign.next().or_else(|| taken.lacking(|key| transform.has(key)).map(|lacking| Wrong(None, lacking)))
}

fn judged(document: &Document) -> Outline {
    let Spanned { value: pipeline, referenced: at, .. } = &document.pipeline;
    if pipeline.all().next().is_none() {
        let text = "the pipeline has no transforms: expected `transforms`, or `source` and `sink`";
        return faulty(at.line(), at.column(), text);
    }
    let slip = || first(pipeline, *at, &slipped).filter(|_| !document.has_providers());
    let slipped_key = || first(pipeline, *at, &|transform| slipped_key(transform, &document.taken(transform)?));
    first(pipeline, *at, &misspelt)
        .or_else(|| first(pipeline, *at, &untyped))
        .or_else(slip)
        .or_else(slipped_key)
        .unwrap_or_else(|| Outline { fault: refused(document), transforms: pipeline.count(), ..Outline::default() })
}

/// What the Beam of the list of keys refuses, and another one may take.
fn refused(document: &Document) -> Option<YamlFault> {
    let Spanned { value: pipeline, referenced: at, .. } = &document.pipeline;
    let found = first(pipeline, *at, &|transform| unfit(transform, &document.taken(transform)?))?;
    found.fault.map(|fault| YamlFault { beam: Some(BEAM.into()), ..fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (u64, String) {
        let fault = of(text).fault.unwrap_or_else(|| panic!("no fault in {text}"));
        (fault.line, fault.message)
    }

    #[test]
    fn what_is_over_a_bound_is_left_to_beam() {
        let elements = format!(
            "pipeline:\n  transforms:\n    - type: Create\n      config: {{elements: [{}]}}\n",
            "1,".repeat(50_001)
        );
        let deep = format!(
            "pipeline: {{transforms: [{{type: Create, config: {{elements: {}1{}}}}}]}}",
            "[".repeat(70),
            "]".repeat(70)
        );
        let all = "*a, ".repeat(90);
        let bomb = format!(
            "pipeline: {{transforms: [&a {{type: chain, transforms: [{}]}}, {{type: chain, transforms: [{all}]}}]}}",
            "{type: Flatten}, ".repeat(900)
        );
        for text in [elements, deep, bomb] {
            let outline = of(&text);
            assert!(outline.templated && outline.fault.is_none(), "{:?}", outline.fault);
        }
    }

    #[test]
    fn a_pipeline_is_counted() {
        let text = "pipeline:\n  type: chain\n  source:\n    type: Create\n    config: {elements: [1]}\n  transforms:\n    \
                    - type: composite\n      name: In\n      transforms:\n        - {type: Flatten, name: F}\n  sink: {type: \
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
    fn a_slip_of_a_key_is_a_fault_in_any_beam() {
        for (config, line, said) in [
            (
                "Create\n      config:\n        element: [1]\n",
                5,
                "`Create` takes no `element`: did you mean `elements`?",
            ),
            ("WriteToBigQuery\n      config:\n        table: a.b\n        num_stream: 1\n", 6, "`num_streams`?"),
            ("ReadFromCsv\n      config: {path: a, delimeter: x}\n", 4, "`delimiter`?"),
            (
                "chain\n      transforms:\n        - type: Explode\n          config: {fields: [a],\n            \
              cross_produkt: true}\n",
                7,
                "`cross_product`?",
            ),
        ] {
            let text = format!("pipeline:\n  transforms:\n    - type: {config}");
            let fault = of(&text).fault.unwrap_or_else(|| panic!("no fault in {text}"));
            assert!(fault.message.contains(said), "{fault:?}");
            assert_eq!((fault.line, fault.beam), (line, None), "{text}");
        }
    }

    #[test]
    fn a_key_far_from_all_is_a_fault_in_the_beam_of_the_list() {
        for (rest, line) in [
            ("ReadFromText\n      config:\n        path: a\n        delimiter: x\n", 6),
            ("ReadFromText\n      config:\n", 3),
            ("chain\n      transforms:\n        - type: Filter\n          config: {language: python}\n", 5),
        ] {
            let outline = of(&format!("pipeline:\n  transforms:\n    - type: {rest}"));
            let fault = outline.fault.unwrap_or_else(|| panic!("no fault in {rest}"));
            assert_eq!((fault.line, fault.beam.as_deref()), (line, Some("2.77")), "{rest}");
            assert_ne!(outline.transforms, 0);
        }
    }

    /// `tests/python/test_beam_yaml.py` asks Beam the same.
    #[test]
    fn what_beam_takes_is_no_fault_and_what_it_refuses_is_one() {
        let vector = include_str!("../../../tests/vectors/beam/yaml-2.77.0.json");
        let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
        for case in vector["cases"].as_array().unwrap() {
            let lines: Vec<_> = case["yaml"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
            let fault = of(&lines.join("\n")).fault;
            assert_eq!(fault.as_ref().map(|fault| fault.line), case["line"].as_u64(), "{case}: {fault:?}");
            let (said, expected) = (fault.map(|fault| fault.message), case["said"].as_str());
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{case}");
        }
    }

    #[test]
    fn transforms_of_others_are_left_to_beam() {
        for text in [
            "pipeline:\n  transforms:\n    - type: NoSuchThing\n",
            "pipeline:\n  transforms:\n    - type: ReadFromTexts\nproviders:\n  - type: python\n",
            "pipeline:\n  transforms:\n    - type: Create\n      config: {element: 1}\nproviders:\n  - include: a.yaml\n",
            "pipeline:\n  transforms:\n    - type: Create\n      config: {element: 1}\nproviders:\n  - type: python\n    \
             config: {}\n    transforms: {Create: a.b}\n",
        ] {
            assert_eq!(of(text).fault, None, "{text}");
        }
        let other = "pipeline:\n  transforms:\n    - type: Create\n      config: {element: 1}\nproviders:\n  - type: \
                     python\n    transforms: {Mine: a.b}\n";
        assert_eq!(fault(other).0, 4);
    }

    #[test]
    fn a_template_is_left_to_beam() {
        assert!(of("pipeline:\n{% for x in y %}").templated);
        assert_eq!((is_meant("a.YML"), is_meant(""), is_meant("a.py")), (true, true, false));
    }
}

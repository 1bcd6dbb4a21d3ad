//! The configuration keys of the transforms that Beam YAML has of its own.
//!
//! # Source
//! `beam_yaml.txt`, made from Apache Beam itself by `tests/python/beam_yaml.py`.

use beam_mcp_core::config::{nearest, slip};

const LIST: &str = include_str!("beam_yaml.txt");
/// The Beam of the list; another one may take other keys.
pub(super) const BEAM: &str = "2.77";

/// What the configuration of a transform holds.
pub(super) struct Taken {
    kind: &'static str,
    keys: Vec<&'static str>,
    /// `a|b`: one of these must be there.
    needed: Vec<&'static str>,
    /// Beam passes other keys on.
    is_open: bool,
}

/// What is known of a transform of Beam's.
pub(super) fn taken(kind: &str) -> Option<Taken> {
    let of =
        |kind: &str| LIST.lines().filter_map(|line| line.split_once(' ').or(Some((line, "")))).find(|l| l.0 == kind);
    let (kind, own) = of(kind).filter(|(kind, _)| !matches!(*kind, "#" | "*"))?;
    let mut taken = Taken { kind, keys: Vec::new(), needed: Vec::new(), is_open: false };
    for word in own.split_ascii_whitespace() {
        match word.strip_suffix('!') {
            _ if word == "..." => taken.is_open = true,
            Some(group) => taken.needed.push(group),
            None => taken.keys.push(word),
        }
    }
    Some(taken)
}

impl Taken {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let every = LIST.lines().find_map(|line| line.strip_prefix("* ")).unwrap_or_default();
        self.own().chain(every.split_ascii_whitespace())
    }

    fn own(&self) -> impl Iterator<Item = &'static str> {
        self.needed.iter().flat_map(|group| group.split('|')).chain(self.keys.iter().copied())
    }

    /// What is wrong with a key in any Beam: it is nearly one of these.
    pub(super) fn slipped(&self, key: &str) -> Option<String> {
        if self.names().any(|known| known == key) {
            return None;
        }
        let (_, meant) = self.names().filter_map(|known| Some((slip(key, known)?, known))).min()?;
        Some(format!("`{}` takes no `{key}`: did you mean `{meant}`?", self.kind))
    }

    /// What is wrong with a key in the Beam of the list, which takes no other.
    pub(super) fn foreign(&self, key: &str) -> Option<String> {
        if self.is_open || self.names().any(|known| known == key) {
            return None;
        }
        // Of a short word one letter is much.
        let near = Some(key).filter(|key| key.len() < 6).and_then(|key| nearest(key, self.own()));
        let all = self.own().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let instead = match near {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if all.is_empty() => "it takes nothing of its own".into(),
            None => format!("it takes {all}"),
        };
        Some(format!("`{}` takes no `{key}`: {instead}", self.kind))
    }

    /// What the Beam of the list does without.
    pub(super) fn lacking(&self, is_given: impl Fn(&str) -> bool) -> Option<String> {
        let missing = self.needed.iter().find(|group| !group.split('|').any(&is_given))?;
        Some(format!("`{}` needs `{}` in its `config`", self.kind, missing.replace('|', "` or `")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_of_that_beam() {
        assert!(LIST.starts_with(&format!("# Apache Beam {BEAM}.")));
        assert!(taken("#").is_none() && taken("*").is_none() && taken("Sql").is_none());
    }

    #[test]
    fn a_key_is_judged_by_what_its_transform_takes() {
        for (kind, key, slipped, foreign) in [
            ("ReadFromText", "path", None, None),
            ("ReadFromText", "output_schema", None, None),
            ("ReadFromText", "pth", None, Some("did you mean `path`?")),
            ("ReadFromText", "delimiter", None, Some("`ReadFromText` takes no `delimiter`: it takes `path`")),
            ("Flatten", "windows", None, Some("it takes nothing of its own")),
            (
                "Combine",
                "groupby",
                Some("did you mean `group_by`?"),
                Some("it takes `combine`, `group_by`, `language`"),
            ),
            ("ReadFromCsv", "delimeter", Some("`ReadFromCsv` takes no `delimeter`: did you mean `delimiter`?"), None),
            ("ReadFromCsv", "pth", None, None),
            ("ReadFromKafka", "redistributed", None, None),
        ] {
            let taken = taken(kind).unwrap();
            for (said, expected) in [(taken.slipped(key), slipped), (taken.foreign(key), foreign)] {
                let fits = said.as_deref().zip(expected).map(|(said, expected)| said.contains(expected));
                assert_eq!(fits, expected.map(|_| true), "{kind} {key}: {said:?}");
                assert_eq!(said.is_some(), expected.is_some(), "{kind} {key}: {said:?}");
            }
        }
    }

    #[test]
    fn what_is_needed_may_have_two_names() {
        let parquet = taken("WriteToParquet").unwrap();
        assert_eq!(parquet.lacking(|key| key == "path"), None);
        assert_eq!(parquet.lacking(|key| key == "file_path_prefix"), None);
        let said = parquet.lacking(|_| false).unwrap();
        assert_eq!(said, "`WriteToParquet` needs `file_path_prefix` or `path` in its `config`");
        assert_eq!(taken("ReadFromKafka").unwrap().lacking(|_| false), None);
    }
}

use std::sync::OnceLock;

use super::{DESCRIBED, prompt};
use crate::{
    mcp::{Prompt, Tool},
    verb::{Hints, VERBS, Verb},
};

/// Some of the tools, under a path of their own.
pub struct Toolset {
    /// Path below the endpoint.
    pub path: &'static str,
    /// Verbs besides reading ones; `None`: all there are.
    writes: Option<&'static [&'static str]>,
    /// All of them, and where writing is off.
    tools: [OnceLock<Vec<Tool>>; 2],
    /// Its prompts, likewise: their texts are searched for tools.
    prompts: [OnceLock<Vec<Prompt>>; 2],
}

/// Every toolset; all of them read.
pub static TOOLSETS: [Toolset; 4] = [
    Toolset::new("", None),
    Toolset::new("/readonly", Some(&[])),
    Toolset::new("/x/submit", Some(&["create_job", "restore_job"])),
    Toolset::new("/x/operate", Some(&["update_job", "scale_job", "create_savepoint", "restore_job", "cancel_job"])),
];

impl Toolset {
    const fn new(path: &'static str, writes: Option<&'static [&'static str]>) -> Self {
        Self { path, writes, tools: [const { OnceLock::new() }; 2], prompts: [const { OnceLock::new() }; 2] }
    }

    /// Its tools: made when the first caller of the process asks, since whoever speaks REST alone does not wait for them.
    pub(super) fn tools(&self, read_only: bool) -> &[Tool] {
        let [all, reading] = &self.tools;
        let described = || self.verbs(read_only).filter_map(|verb| DESCRIBED.get(verb.name).cloned()).collect();
        (if read_only { reading } else { all }).get_or_init(described)
    }

    /// The prompts that name none but its tools: found once a process, not once an engine.
    pub(super) fn prompts(&self, read_only: bool) -> &[Prompt] {
        let [all, reading] = &self.prompts;
        let offered = || prompt::offered(&self.verbs(read_only).collect::<Vec<_>>());
        (if read_only { reading } else { all }).get_or_init(offered)
    }

    /// Its verbs, in the order of the table; without writing ones where the operator says so.
    pub(super) fn verbs(&self, read_only: bool) -> impl Iterator<Item = &'static Verb> {
        let writes = if read_only { Some(&[][..]) } else { self.writes };
        VERBS
            .iter()
            .filter(|verb| verb.is_tool)
            .filter(move |verb| verb.hints == Hints::Read || writes.is_none_or(|writes| writes.contains(&verb.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolsets_name_verbs_that_exist_and_read_only_writes_nothing() {
        for set in &TOOLSETS {
            let names: Vec<&str> = set.verbs(false).map(|verb| verb.name).collect();
            assert!(set.writes.unwrap_or_default().iter().all(|name| names.contains(name)), "{}", set.path);
            assert!(set.verbs(true).all(|verb| verb.hints == Hints::Read), "{}", set.path);
            assert!(names.contains(&"get_job"), "{}", set.path);
        }
        assert_eq!(TOOLSETS[0].verbs(false).count(), VERBS.iter().filter(|verb| verb.is_tool).count());
        assert!(TOOLSETS[1].verbs(false).all(|verb| verb.hints == Hints::Read));
    }
}

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::Run;

/// The state graph of a flow, taken back from its scripts.
#[derive(Debug, Default)]
pub struct Graph {
    lines: BTreeSet<String>,
    most: BTreeMap<String, usize>,
    scripts: usize,
    longest: usize,
}

impl Graph {
    /// Number of scripts it was taken from.
    pub fn scripts(&self) -> usize {
        self.scripts
    }

    /// Number of effects of the longest script.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The lines `effect --reply--> next effect`.
    pub fn lines(&self) -> &BTreeSet<String> {
        &self.lines
    }

    pub(super) fn add(&mut self, run: &Run) {
        self.scripts += 1;
        self.longest = self.longest.max(run.taken.len());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, taken) in run.taken.iter().enumerate() {
            *counts.entry(&taken.label).or_default() += 1;
            let after = run.taken.get(index + 1).map(|next| next.label.clone());
            let Some(next) = after.or_else(|| Some(format!("done {}", run.end.as_ref()?.word))) else { continue };
            let mark = if taken.cancelled || taken.misled { "after a cancel or misuse: " } else { "" };
            self.lines.insert(format!("{mark}{} --{}--> {next}", taken.label, taken.word));
        }
        if let (true, Some(end)) = (run.taken.is_empty(), &run.end) {
            self.lines.insert(format!("start --> done {}", end.word));
        }
        if let Some(first) = run.taken.first() {
            self.lines.insert(format!("start --> {}", first.label));
        }
        for (label, count) in counts {
            let most = self.most.entry(label.to_owned()).or_default();
            *most = (*most).max(count);
        }
    }

    /// The golden text: lines in order, and how often each effect comes at most in one script.
    pub fn text(&self, what: &str) -> String {
        let mut text = format!("# {what}\n");
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("# most of each effect in one script\n");
        for (label, most) in &self.most {
            let _ = writeln!(text, "{label} × {most}");
        }
        text
    }
}

//! Reading Rust files without a parser: good enough for `use` lines and paths, and tested as such.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A file of production code: its place beneath the folder, and its text without comments and tests.
pub(super) struct Source {
    pub(super) place: String,
    pub(super) text: String,
}

/// The production code beneath a folder. Files and folders named `tests` or `testing` are not.
pub(super) fn read(folder: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    let place = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|path| Source { place: place(path), text: code(&fs::read_to_string(path).unwrap()) }).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "testing" {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text without line comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let opens = |index: usize| {
        let next = lines[index + 1..].iter().find(|line| !line.trim().is_empty()).map_or("", |line| line.trim());
        next.contains("mod ") && next.ends_with('{')
    };
    let tests = lines.iter().enumerate().position(|(index, line)| line.trim() == "#[cfg(test)]" && opens(index));
    lines[..tests.unwrap_or(lines.len())].join("\n")
}

/// Everything named right behind `<root>::`, in paths and in `use` trees.
pub(super) fn named(text: &str, root: &str) -> BTreeSet<String> {
    let start = format!("{root}::");
    let mut names = BTreeSet::new();
    for (index, _) in text.match_indices(&start) {
        let before = text[..index].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &text[index + start.len()..];
        match rest.strip_prefix('{') {
            Some(tree) => names.extend(heads(tree)),
            None => {
                names.insert(word(rest));
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first word of each branch of a `use` tree, whose `{` was taken.
fn heads(tree: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (1, Vec::new(), true);
    for (index, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if depth == 1 && fresh && !c.is_whitespace() => {
                heads.push(word(&tree[index..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

#[test]
fn names_are_found_in_trees_and_paths() {
    let text = "use crate::{\n    auth::{Scope, x::y},\n    error::Error,\n    Call,\n};\nfn f() { crate::text::clean() }\n\
                use other_crate::thing; // crate::comment\n#[cfg(test)]\nmod tests {\n    use crate::verb;\n}";
    let found: Vec<String> = named(&code(text), "crate").into_iter().collect();
    assert_eq!(found, ["Call", "auth", "error", "text"]);
}

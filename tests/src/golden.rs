//! Golden files: what was seen is compared with what is kept; `UPDATE_GOLDEN=1` keeps what was seen.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The folder of the shared vectors.
pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The folder of the whole repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares text with a file beneath the vectors.
///
/// # Panics
/// When they differ or the file is missing; the message shows the first lines that differ.
pub fn check(name: &str, seen: &str) {
    let path = vectors().join(name);
    if is_updated() {
        fs::create_dir_all(path.parent().expect("a vector lies in a folder")).expect("the vectors can be written");
        fs::write(&path, seen).expect("the vectors can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if let Some(difference) = difference(&kept, seen) {
        panic!("{name} is not what was seen; read the difference, then run with UPDATE_GOLDEN=1\n{difference}");
    }
}

/// The lines of a file beneath the vectors; `None` where what is seen will be kept, whatever it is.
pub fn lines(name: &str) -> Option<BTreeSet<String>> {
    let kept = fs::read_to_string(vectors().join(name)).unwrap_or_default();
    (!is_updated()).then(|| kept.lines().map(str::to_owned).collect())
}

fn is_updated() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Lines that only one of two texts has, at most 20 of each; `None` when the texts are the same.
pub fn difference(kept: &str, seen: &str) -> Option<String> {
    let only = |these: &str, those: &str, mark: &str| {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line)).take(20);
        lines.map(|line| format!("{mark} {line}")).collect::<Vec<_>>()
    };
    let lines = [only(kept, seen, "-"), only(seen, kept, "+")].concat();
    match (kept == seen, lines.is_empty()) {
        (true, _) => None,
        (false, true) => Some("the same lines in another order or number".into()),
        (false, false) => Some(lines.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_names_the_lines() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "- b\n+ c");
        assert!(difference("a\nb\n", "b\na\n").is_some());
    }
}

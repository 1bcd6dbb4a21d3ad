//! The core's tree of dependencies, against a list: a runtime, HTTP or file crate in it fails the build.

use std::{collections::BTreeSet, process::Command};

use beam_mcp_tests::golden::repository;

/// Everything that may be linked into or expanded in the core, on any platform. A new row needs a reason in its commit.
const ALLOWED: &[&str] = &[
    "base64",
    "beam-mcp-core",
    "block-buffer",
    "cfg-if",
    "cmov",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "dyn-clone",
    "hmac",
    "hybrid-array",
    "itoa",
    "libc", // cpufeatures asks it on aarch64
    "memchr",
    "proc-macro2",
    "quote",
    "ref-cast",
    "ref-cast-impl",
    "regex-lite",
    "schemars",
    "schemars_derive",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_derive_internals",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "subtle",
    "syn",
    "thiserror",
    "thiserror-impl",
    "typenum",
    "unicode-ident",
    "zmij",
];

/// Names in the normal dependency tree of a crate, for all platforms.
fn tree(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(repository())
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--target", "all"])
        .args(["--package", "beam-mcp-core"])
        .args(features)
        .output()
        .expect("cargo runs, as it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_core_depends_on_nothing_else() {
    let found = tree(&["--all-features"]);
    assert!(found.contains("serde_json"), "{found:?}");
    let extra: Vec<&String> = found.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    assert!(extra.is_empty(), "the core now depends on {extra:?}");
}

#[test]
fn a_client_carries_no_schemas() {
    let found = tree(&["--no-default-features", "--features", "client"]);
    assert!(!found.contains("schemars"), "schemars belongs to the feature `server`");
}

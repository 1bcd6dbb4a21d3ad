//! Arrows between the modules of the core, and from the hosts into it: one table, with a reason for each odd one.

use beam_mcp_tests::golden::repository;

use super::source::{Source, named, read};

/// What everybody may know: the contract and its tools, and what the crate shows at its root.
const COMMON: &[&str] = &[
    "Call",
    "Error",
    "ErrorKind",
    "Flow",
    "Io",
    "Now",
    "Step",
    "clock",
    "effect",
    "error",
    "flow",
    "json",
    "pace",
    "random",
    "retry",
    "text",
    "url",
];

/// Module, and what it may know besides itself and [`COMMON`].
const ARROWS: &[(&str, &[&str])] = &[
    ("auth", &[]),
    ("call", &["auth"]),
    ("client", &["call", "mcp_client"]),
    ("config", &["auth", "job"]),
    (
        "engine",
        &["auth", "call", "config", "guard", "job_service", "lifecycle", "mcp", "rest", "runner", "tool", "verb"],
    ),
    ("guard", &[]),
    ("job", &["config"]),
    ("job_api", &[]),
    ("job_service", &["config", "job", "job_api", "verb"]),
    ("lifecycle", &["guard", "job", "runner", "store"]),
    ("mcp", &["call"]),
    ("mcp_client", &["call"]),
    ("rest", &["auth", "call", "verb"]),
    ("runner", &["config", "guard", "job", "job_api"]),
    ("store", &["job"]),
    ("tool", &["call", "mcp", "verb"]),
    ("verb", &["auth", "call", "config", "job", "lifecycle", "runner", "store"]),
    // The contract and its tools know each other and nothing else.
    ("clock", &[]),
    ("effect", &["store"]),
    ("error", &[]),
    ("flow", &["store"]),
    ("json", &[]),
    ("pace", &[]),
    ("random", &[]),
    ("retry", &[]),
    ("text", &[]),
    ("url", &[]),
];

/// File, what else it may know, and why.
const REASONS: &[(&str, &str, &str)] = &[
    ("engine/state.rs", "store", "rows that were read before, for all calls of the process"),
    ("job/record.rs", "runner", "the stored row holds what is sent to the runner, a plain type"),
    ("lifecycle/", "verb", "its `Context` is the call, the rows and the way to a runner"),
    ("mcp/", "engine", "the plain type of an inbound HTTP request"),
    ("rest", "engine", "the plain types of an inbound HTTP request and its body"),
    ("rest/documents.rs", "job", "pages that show a row beside no verb"),
    ("rest/health.rs", "store", "readiness asks the store"),
    ("store/audit.rs", "call", "an audit row says who called"),
    ("tool.rs", "engine", "the state that verbs run on"),
    ("tool/", "auth", "what no verb shows needs its scope all the same"),
    ("tool/declined.rs", "store", "a no is kept where every instance finds it"),
    ("tool/differences.rs", "job", "the row that a cursor is of"),
    ("tool/task.rs", "job", "a task is told from the rows it follows"),
    ("tool/resource.rs", "job", "the kind of the operations that a list of savepoints shows"),
    ("tool/seal_key.rs", "store", "the key of request states is shared by the instances before one store"),
    ("verb/context.rs", "engine", "the state that verbs run on"),
    ("verb/view.rs", "engine", "a view tells since when a target is silent"),
];

/// What a host may know of the core: the engine, the client, and the types that pass between.
const HOST: &[&str] = &["auth", "call", "client", "config", "engine", "job_service", "mcp_client", "store"];

/// The same for files of hosts.
const HOST_REASONS: &[(&str, &str, &str)] = &[
    ("stdio.rs", "mcp", "one pipe carries all requests: it matches answers and cancellations by their ids"),
    ("fixture.rs", "mcp", "the surface of the MCP vectors, so that Node replays them; built for tests only"),
];

fn module(place: &str) -> &str {
    place.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn excused(reasons: &[(&str, &str, &str)], place: &str, name: &str) -> bool {
    reasons.iter().any(|(file, excused, _)| place.starts_with(file) && *excused == name)
}

/// Names a file uses and may not.
fn forbidden(source: &Source, root: &str, allowed: &[&str], reasons: &[(&str, &str, &str)]) -> Vec<String> {
    let may = |name: &str| COMMON.contains(&name) || allowed.contains(&name) || excused(reasons, &source.place, name);
    named(&source.text, root).into_iter().filter(|name| !may(name)).collect()
}

#[test]
fn arrows_of_the_core_point_one_way() {
    for source in read(&repository().join("core/src")).iter().filter(|source| source.place != "lib.rs") {
        let own = module(&source.place);
        let row = ARROWS.iter().find(|(module, _)| *module == own);
        let (_, allowed) = row.unwrap_or_else(|| panic!("core/src/{own} has no row in the table of arrows"));
        let found = forbidden(source, "crate", &[allowed, &[own][..]].concat(), REASONS);
        assert!(found.is_empty(), "core/src/{} may not know {found:?}", source.place);
    }
}

#[test]
fn no_reason_is_left_over() {
    let sources = read(&repository().join("core/src"));
    for (file, name, _) in REASONS {
        let used = |source: &&Source| source.place.starts_with(file) && named(&source.text, "crate").contains(*name);
        assert!(sources.iter().any(|source| used(&source)), "{file} needs no excuse for `{name}` any more");
    }
}

/// MCP's one arrow to the engine is a plain type; nothing of the state comes along.
#[test]
fn mcp_knows_nothing_of_beam() {
    for source in read(&repository().join("core/src/mcp")) {
        let mut of_the_engine = named(&source.text, "crate::engine");
        of_the_engine.append(&mut named(&source.text, "engine"));
        // base64 calls its alphabets engines too.
        of_the_engine.remove("general_purpose");
        assert!(of_the_engine.iter().all(|name| name == "HttpRequest"), "mcp/{}: {of_the_engine:?}", source.place);
        let low = source.text.to_lowercase();
        for word in ["beam", "flink", "job"] {
            assert!(!low.contains(word), "mcp/{} speaks of `{word}`", source.place);
        }
    }
}

#[test]
fn hosts_know_the_engine_and_no_verb() {
    let folders = ["lambda/src", "python/src", "wasm/src"].map(|folder| repository().join(folder));
    let sources: Vec<Source> =
        folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| read(folder)).collect();
    assert!(sources.len() > 20, "only {} files of hosts were found", sources.len());
    for source in &sources {
        let found = forbidden(source, "beam_mcp_core", HOST, HOST_REASONS);
        assert!(found.is_empty(), "{} may not know {found:?}", source.place);
    }
}

/// Clippy bans single items in the core; here whole modules of std are out.
#[test]
fn the_core_does_no_io() {
    for source in read(&repository().join("core/src")) {
        let std = named(&source.text, "std");
        for module in ["env", "fs", "io", "os", "process", "thread"] {
            assert!(!std.contains(module), "core/src/{} uses std::{module}", source.place);
        }
        let net = named(&source.text, "std::net");
        assert!(net.iter().all(|name| name == "IpAddr"), "core/src/{} uses {net:?} of std::net", source.place);
        for word in ["println!", "eprintln!", "Instant::now", "SystemTime", "HashMap", "unsafe "] {
            assert!(!source.text.contains(word), "core/src/{} uses {word}", source.place);
        }
    }
}

#[test]
fn every_runner_has_the_same_four_files() {
    let folder = repository().join("core/src/runner");
    let runners = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut count = 0;
    for runner in runners.filter(|path| path.join("mod.rs").is_file()) {
        for file in ["request.rs", "response.rs", "flow.rs"] {
            assert!(runner.join(file).is_file(), "{} has no {file}", runner.display());
        }
        count += 1;
    }
    assert!(count >= 3, "only {count} runners were found");
}

#[test]
fn runners_reach_their_target_only_past_its_guard() {
    for source in read(&repository().join("core/src/runner")).iter().filter(|source| source.place != "outbound.rs") {
        let text: String = source.text.split_whitespace().collect();
        for way in ["io.send(", "io.send_all(", "io.rpc("] {
            assert!(!text.contains(way), "runner/{} calls {way}…) and passes its target's guard by", source.place);
        }
    }
}

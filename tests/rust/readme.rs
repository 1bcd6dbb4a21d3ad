//! README's table of what works where says what the code says: each row is some capabilities, each column a runner.

use std::{collections::BTreeSet, fs, path::Path};

use beam_mcp_core::{config::RunnerKind, runner::Capability};

use Capability as C;

const COLUMNS: [(&str, RunnerKind); 6] = [
    ("Flink", RunnerKind::Flink),
    ("Spark", RunnerKind::Spark),
    ("Direct", RunnerKind::Direct),
    ("Job API", RunnerKind::Portable),
    ("Dataflow", RunnerKind::Dataflow),
    ("simulator", RunnerKind::Simulator),
];

const ROWS: [(&str, &[Capability]); 14] = [
    ("state, list, found again after a restart", &[]),
    ("bounded and unbounded pipelines", &[C::Batch, C::Streaming]),
    ("cancel", &[C::Cancel]),
    ("drain", &[C::Drain]),
    ("stop with savepoint", &[C::Stop]),
    ("savepoint, restore", &[C::Savepoints, C::Restore]),
    ("scale in place", &[C::Rescale]),
    ("update in place", &[C::Update]),
    ("metrics", &[C::Metrics]),
    ("checkpoints taken", &[C::Checkpointing]),
    ("checkpoints, savepoints, snapshots listed", &[C::CheckpointList]),
    ("graph of stages", &[C::Graph]),
    ("logs", &[C::Logging]),
    ("submit", &[]),
];

/// Words of the row `submit`, each a way to submit.
const SUBMITS: [(&[&str], Capability); 4] = [
    (&["jar"], C::JarSubmit),
    (&["Python", "file, module"], C::PythonSubmit),
    (&["Beam YAML"], C::YamlSubmit),
    (&["templates"], C::TemplateSubmit),
];

/// The table as cells, its head first.
fn table() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let lines =
        readme.lines().skip_while(|line| !line.starts_with("| | Flink")).take_while(|line| line.starts_with('|'));
    lines.filter(|line| !line.starts_with("|---")).map(cells).collect()
}

/// `at the end` is not while the job runs.
fn says_no(cell: &str) -> bool {
    cell == "no" || cell.starts_with("at the end")
}

fn can(runner: RunnerKind, capability: Capability) -> bool {
    Capability::most_of(runner).contains(&capability)
}

#[test]
fn the_readme_says_of_each_runner_what_the_code_says() {
    let table = table();
    for (column, (word, runner)) in COLUMNS.iter().enumerate() {
        assert!(table[0][column + 1].starts_with(word), "{:?}", table[0]);
        for row in &table[1..] {
            let (name, cell) = (&row[0], &row[column + 1]);
            let (_, capabilities) =
                ROWS.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no row of this test: {name}"));
            for capability in *capabilities {
                assert_eq!(!says_no(cell), can(*runner, *capability), "{name}, {word}: {cell} ({capability:?})");
            }
            for (words, capability) in SUBMITS.iter().filter(|_| name == "submit") {
                let told = words.iter().any(|word| cell.contains(word));
                assert_eq!(told, can(*runner, *capability), "{name}, {word}: {cell} ({capability:?})");
            }
        }
    }
}

#[test]
fn every_capability_is_a_row_and_every_row_is_there() {
    let names: BTreeSet<String> = table().into_iter().skip(1).map(|row| row[0].clone()).collect();
    assert_eq!(names, ROWS.iter().map(|(name, _)| (*name).to_owned()).collect());
    let told: BTreeSet<Capability> = ROWS.iter().flat_map(|(_, all)| all.iter()).copied().collect();
    let told: BTreeSet<Capability> = told.into_iter().chain(SUBMITS.map(|(_, one)| one)).collect();
    assert_eq!(told, Capability::ALL.into_iter().collect());
}

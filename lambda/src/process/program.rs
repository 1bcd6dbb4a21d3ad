//! Named programs: the Python of each target, its environment, and what it says of itself.

use std::{
    collections::BTreeMap,
    env, fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use beam_mcp_core::{
    config::{Config, DEFAULT_MAX_JOBS, RunnerKind, Target},
    effect::{Fact, Refusal},
    random::sha256_hex,
};
use serde::Deserialize;
use tempfile::NamedTempFile;
use tokio::process::Command;

use super::folder::Folder;
use crate::credentials::read_secret;

/// Runs a job and writes down how it ended.
const WRAPPER: &str = include_str!("../direct/wrapper.py");
const NAME: &str = "wrapper.py";
/// Keeps the pipeline a program submits, instead of running it.
const CAPTURE: &str = include_str!("../direct/capture.py");
/// What reads and runs a pipeline that was built elsewhere.
const HANDED: &str = include_str!("../direct/handed.py");
/// Writes down the metrics of pipelines that go on.
const LIVE: &str = include_str!("../direct/live.py");
/// Reads what Beam measured.
const METRICS: &str = include_str!("../direct/metrics.py");
/// Prints versions without importing what takes a second to import.
const VERSIONS: &str = "import importlib.metadata as m, json, platform
try: beam = m.version('apache-beam')
except m.PackageNotFoundError: beam = None
import importlib.util as u
yaml = all(u.find_spec(name) for name in ('yaml', 'jinja2', 'jsonschema'))
print(json.dumps({'version': platform.python_version(), 'beam_version': beam, 'yaml': yaml}))";
const SEARCHED: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer is repeated without asking: well, and when something was missing.
const KNOWN_FOR: [Duration; 2] = [Duration::from_secs(600), Duration::from_secs(15)];

/// What a target's children run with.
#[derive(Clone, Debug)]
pub struct Python {
    /// The interpreter: a path, or a name looked up in the server's `PATH`.
    pub interpreter: PathBuf,
    /// Most children at once.
    pub max_jobs: u32,
}

impl Default for Python {
    fn default() -> Self {
        Self { interpreter: "python3".into(), max_jobs: DEFAULT_MAX_JOBS }
    }
}

/// The Python of each target that runs any.
pub(super) fn pythons(config: &Config) -> BTreeMap<String, Python> {
    let runs = |target: &&Target| {
        matches!(target.runner, RunnerKind::Direct | RunnerKind::Portable) || target.job_server_jar.is_some()
    };
    let targets = config.targets.values().filter(runs);
    targets
        .map(|target| {
            let default = Python::default();
            let interpreter = target.python.as_ref().map_or(default.interpreter, PathBuf::from);
            let max_jobs = target.max_jobs.unwrap_or(default.max_jobs);
            (target.name.clone(), Python { interpreter, max_jobs })
        })
        .collect()
}

/// An interpreter by an absolute path; links are kept, because a virtual environment is known by its own.
pub(super) fn find(interpreter: &Path) -> Option<PathBuf> {
    let runs =
        |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    if interpreter.components().count() > 1 {
        return std::path::absolute(interpreter).ok().filter(runs);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(interpreter)).find(runs)
}

/// Puts the wrapper and what it loads into a folder under the name of their hash.
pub(super) fn install_wrapper(jobs: &Path) -> io::Result<PathBuf> {
    let beside =
        [("capture.py", CAPTURE), ("handed.py", HANDED), ("live.py", LIVE), ("metrics.py", METRICS), (NAME, WRAPPER)];
    let hash = sha256_hex(&beside.map(|(_, text)| text).concat().into_bytes());
    let folder = jobs.join(format!("wrapper-{}", hash.get(..16).unwrap_or_default()));
    fs::create_dir_all(&folder)?;
    for (name, text) in beside {
        install(&folder, name, text)?;
    }
    Ok(folder.join(NAME))
}

fn install(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = folder.join(name);
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(&path)?;
    Ok(())
}

/// The whole environment of a child: nothing of the server's own.
pub(super) async fn environment(
    python: &Path,
    folder: &Folder,
    extra: &[(String, String)],
) -> Result<Vec<(String, String)>, Refusal> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut path: Vec<String> = python.parent().map(text).into_iter().collect();
    path.extend(SEARCHED.map(str::to_owned));
    let mut all = vec![
        ("PATH".to_owned(), path.join(":")),
        ("HOME".to_owned(), text(folder.path())),
        ("TMPDIR".to_owned(), text(&folder.path().join("tmp"))),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    for (name, value) in extra {
        all.push((name.clone(), resolved(name, value).await?));
    }
    let broken =
        |(name, value): &&(String, String)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    match all.iter().find(broken) {
        Some((name, _)) => Err(bad_variable(name)),
        None => Ok(all),
    }
}

async fn resolved(name: &str, value: &str) -> Result<String, Refusal> {
    if !value.starts_with("env:") && !value.starts_with("file:") {
        return Ok(value.to_owned());
    }
    let secret = read_secret(value).await.map_err(|_| bad_variable(name))?;
    Ok(secret.trim_end_matches(['\n', '\r']).to_owned())
}

fn bad_variable(name: &str) -> Refusal {
    let detail = format!("the variable `{name}` of the target's `env` cannot be set");
    Refusal { reason: "no_program".into(), detail }
}

/// What interpreters said of themselves, for a while.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: Mutex<BTreeMap<PathBuf, (Instant, Fact)>>,
    /// One interpreter is started at a time, however many jobs come at once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Said {
    version: String,
    beam_version: Option<String>,
    yaml: bool,
}

impl Versions {
    pub(super) async fn of(&self, interpreter: &Path) -> Fact {
        let Some(python) = find(interpreter) else { return missing() };
        if let Some(known) = self.known(&python) {
            return known;
        }
        let _turn = self.asking.lock().await;
        if let Some(known) = self.known(&python) {
            return known;
        }
        let fact = ask(&python).await.map_or_else(missing, |said| Fact::Program {
            found: true,
            version: Some(said.version),
            beam_version: said.beam_version,
            yaml: said.yaml,
        });
        self.lock().insert(python, (Instant::now(), fact.clone()));
        fact
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (Instant, Fact)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, python: &Path) -> Option<Fact> {
        let all = self.lock();
        let (at, fact) = all.get(python)?;
        let well = matches!(fact, Fact::Program { beam_version: Some(_), .. });
        let [long, short] = KNOWN_FOR;
        (at.elapsed() < if well { long } else { short }).then(|| fact.clone())
    }
}

pub(super) fn missing() -> Fact {
    Fact::Program { found: false, version: None, beam_version: None, yaml: false }
}

async fn ask(python: &Path) -> Option<Said> {
    let mut command = Command::new(python);
    command.args(["-I", "-c", VERSIONS]).env_clear().env("LANG", "C.UTF-8").current_dir("/");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER_WITHIN, command.output()).await.ok()?.ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

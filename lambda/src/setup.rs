//! From the command line and the environment to a machine that can serve.

use std::{
    fmt,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use beam_mcp_core::config::Config;
#[cfg(feature = "lambda")]
use beam_mcp_core::config::DynamoConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use crate::process::{Settings, Supervisor};
use crate::{
    clock::Clock,
    committed::Committed,
    config_file::{Environment, document, set},
    driver::Driver,
    effects::{Processes, Staging},
    http_send::Sender,
    metrics::Metrics,
    options::Options,
    stage::{Artifacts, Files, JOBS, job_server},
    store::{MemoryStore, SqliteStore, Store},
    tasks::{Stop, Tasks},
    topics::Topics,
};
#[cfg(feature = "lambda")]
use crate::{
    logging::{Level, Line},
    store::{AwsCredentials, DynamoStore, DynamoTable},
};

/// Most bytes of ids and values the memory store takes.
const MEMORY: usize = 512 << 20;
const CACHE_MIB: usize = 8;

/// Why the process ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Exit code after `sysexits.h`.
    pub exit: u8,
    /// One sentence or more for the operator.
    pub message: String,
}

impl Failure {
    /// Bad usage of the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: 64, message: message.into() }
    }

    /// What was read is not as it should be.
    pub fn data(message: impl Into<String>) -> Self {
        Self { exit: 65, message: message.into() }
    }

    /// Something of the system is not there.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { exit: 69, message: message.into() }
    }

    /// Reading or writing failed.
    pub fn io(message: impl Into<String>) -> Self {
        Self { exit: 74, message: message.into() }
    }

    /// The configuration cannot be used.
    pub fn config(message: impl Into<String>) -> Self {
        Self { exit: 78, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Setup {
    /// As checked by the core.
    pub config: Config,
    /// Where jobs, uploads and logs are kept; `None` keeps jobs in memory.
    pub folder: Option<PathBuf>,
    /// Most bytes of records kept in memory to spare the file; 0 keeps none.
    pub cache_bytes: usize,
}

impl Setup {
    /// Reads file, environment and options, in this order.
    ///
    /// # Errors
    /// What keeps the process from starting.
    pub fn read(options: &Options, environment: &Environment) -> Result<Self, Failure> {
        let config = Self::config(options, environment)?;
        let folder = folder(&config, environment)?;
        Ok(Self { config, folder, cache_bytes: options.store_cache_mib.unwrap_or(CACHE_MIB) << 20 })
    }

    /// The configuration alone, also one that is not a server's.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn config(options: &Options, environment: &Environment) -> Result<Config, Failure> {
        let mut document = document(options.config.as_deref(), environment).map_err(Failure::config)?;
        apply(&mut document, options).map_err(Failure::config)?;
        Config::from_json(&document)
            .map_err(|error| Failure::config(format!("{}; {}", error.message(), error.suggestion())))
    }

    /// The roots beneath which callers name code: those configured, else the working directory of a server that only
    /// this machine reaches.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn roots(&self, loopback_only: bool) -> Result<Vec<PathBuf>, Failure> {
        if !self.config.roots.is_empty() {
            return Ok(self.config.roots.iter().map(PathBuf::from).collect());
        }
        if !loopback_only {
            return Ok(Vec::new());
        }
        let here = std::env::current_dir().map_err(|error| Failure::io(format!("working directory: {error}")))?;
        Ok(vec![here])
    }

    /// A machine for the configuration.
    ///
    /// # Errors
    /// The store or a folder cannot be opened.
    pub fn driver(&self, loopback_only: bool) -> Result<Driver, Failure> {
        let folder = Folder::open(self.folder.as_deref())?;
        let artifacts = Artifacts::open(folder.path()).map_err(|error| folder.failed(&error))?;
        let processes = self.processes(&folder, artifacts.clone())?;
        let mut driver = self.machine(self.store()?, Some(self.staging(&folder, artifacts, loopback_only)?));
        driver.processes = processes;
        driver.folder = Some(folder);
        Ok(driver)
    }

    /// A machine of a Lambda function: it keeps no files, starts no processes, and keeps jobs in the configured table
    /// or, without one, in memory.
    ///
    /// # Errors
    /// The table cannot be used.
    #[cfg(feature = "lambda")]
    pub fn lambda_driver(&self, environment: &Environment) -> Result<Driver, Failure> {
        let Some(config) = &self.config.store.dynamodb else {
            let line = Line::new(Level::Warn, "memory_store");
            line.text("note", Some("jobs are forgotten when the function is recycled; set store.dynamodb")).send();
            return Ok(self.machine(Store::Memory(MemoryStore::new(MEMORY)), None));
        };
        Ok(self.machine(table(config, environment)?, None))
    }

    fn machine(&self, store: Store, staging: Option<Arc<dyn Staging>>) -> Driver {
        let metrics = Arc::new(Metrics::new(self.config.targets.keys()));
        Driver {
            clock: Clock::start(),
            store,
            sender: Sender::new(self.config.targets.values(), staging.clone(), metrics.clone()),
            topics: Topics::default(),
            staging,
            processes: None,
            metrics,
            tasks: Tasks::default(),
            admission: Arc::default(),
            stop: Stop::default(),
            committed: Committed::default(),
            folder: None,
        }
    }

    fn store(&self) -> Result<Store, Failure> {
        let Some(folder) = &self.folder else { return Ok(Store::Memory(MemoryStore::new(MEMORY))) };
        SqliteStore::open(folder, self.cache_bytes).map(Store::Sqlite).map_err(Failure::io)
    }

    #[cfg(target_os = "linux")]
    fn processes(&self, folder: &Folder, artifacts: Artifacts) -> Result<Option<Arc<dyn Processes>>, Failure> {
        let settings = Settings::of(&self.config, folder.path(), self.folder.is_some());
        let supervisor = Supervisor::start(settings, artifacts).map_err(|error| folder.failed(&error))?;
        Ok(Some(Arc::new(supervisor)))
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the supervisor needs Linux")]
    fn processes(&self, _folder: &Folder, _artifacts: Artifacts) -> Result<Option<Arc<dyn Processes>>, Failure> {
        Ok(None)
    }

    fn staging(&self, folder: &Folder, artifacts: Artifacts, loopback_only: bool) -> Result<Arc<dyn Staging>, Failure> {
        let files = Files::open(artifacts, &self.roots(loopback_only)?)
            .map_err(|error| Failure::config(format!("configuration key `roots`: {error}")))?;
        Ok(Arc::new(files.with_job_servers(job_server::of(&self.config)).with_jobs(&folder.path().join(JOBS))))
    }
}

/// Where the process keeps files; a temporary one goes with it.
#[derive(Debug)]
pub enum Folder {
    /// Kept.
    Kept(PathBuf),
    /// Deleted at the end.
    Temporary(TempDir),
}

impl Folder {
    /// Makes the folder, for its owner alone; a temporary one for `None`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            let made = tempfile::Builder::new().prefix("beam-mcp-").tempdir();
            return made.map(Self::Temporary).map_err(|error| Failure::io(format!("temporary folder: {error}")));
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| Failure::io(format!("folder {}: {error}", path.display())))?;
        Ok(Self::Kept(path.to_owned()))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::io(format!("folder {}: {error}", self.path().display()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The store in a table.
///
/// # Errors
/// The region or the credentials are not set.
#[cfg(feature = "lambda")]
pub(crate) fn table(config: &DynamoConfig, environment: &Environment) -> Result<Store, Failure> {
    let told = |reason: String| Failure::config(format!("configuration key `store.dynamodb`: {reason}"));
    let table = DynamoTable::of(config, environment).map_err(told)?;
    let credentials = AwsCredentials::of(environment).map_err(told)?;
    DynamoStore::open(table, credentials).map(Store::Dynamo).map_err(told)
}

fn apply(document: &mut Value, options: &Options) -> Result<(), String> {
    let Value::Object(root) = document else { return Ok(()) };
    if let Some(host) = &options.host {
        set(root, &["server", "host"], json!(host))?;
    }
    if let Some(port) = options.port {
        set(root, &["server", "port"], json!(port))?;
    }
    if !options.roots.is_empty() {
        set(root, &["roots"], json!(options.roots))?;
    }
    if let Some(path) = &options.store_path {
        set(root, &["store", "path"], json!(path))?;
    }
    if options.memory {
        set(root, &["store", "kind"], json!("memory"))?;
    }
    Ok(())
}

fn folder(config: &Config, environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    if config.store.dynamodb.is_some() {
        return Err(Failure::config(
            "configuration key `store.dynamodb`: the Lambda function keeps its jobs there; a server keeps them in a file \
             (`store.path`)",
        ));
    }
    match config.store.kind.as_deref() {
        Some("memory") => return Ok(None),
        None | Some("sqlite") => {}
        Some(other) => {
            return Err(Failure::config(format!(
                "configuration key `store.kind`: `{other}` is neither sqlite nor memory"
            )));
        }
    }
    let configured = config.store.path.as_ref().map(PathBuf::from);
    let shared = environment.get("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".local/share"));
    let folder = configured.or_else(|| shared.or_else(home).map(|data| data.join("beam-mcp")));
    folder.map(Some).ok_or_else(|| Failure::config("no place for jobs: set --store-path, HOME, or use --memory"))
}

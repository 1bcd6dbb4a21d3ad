use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Preset;
use crate::effect::Limits;

/// Most jobs of a Direct target at once, where its `max_jobs` says nothing.
pub const DEFAULT_MAX_JOBS: u32 = 8;

/// System that executes jobs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunnerKind {
    /// Google Cloud Dataflow.
    Dataflow,
    /// A child process of the server running Beam's `FnApiRunner`.
    Direct,
    /// Apache Flink.
    Flink,
    /// A job server of Beam's Job API.
    Portable,
    /// Scripted clusters that send nothing.
    Simulator,
    /// Apache Spark.
    Spark,
}

impl RunnerKind {
    /// Every runner.
    pub const ALL: [Self; 6] =
        [Self::Dataflow, Self::Direct, Self::Flink, Self::Portable, Self::Simulator, Self::Spark];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dataflow => "dataflow",
            Self::Direct => "direct",
            Self::Flink => "flink",
            Self::Portable => "portable",
            Self::Simulator => "simulator",
            Self::Spark => "spark",
        }
    }

    /// Reads `flink`, `FLINK` or Beam's `FlinkRunner`.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let name = name.strip_suffix("runner").unwrap_or(&name);
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// True when it is reached at an endpoint.
    pub fn needs_url(self) -> bool {
        matches!(self, Self::Flink | Self::Portable)
    }
}

/// A named place to run.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name: the key it stands under.
    #[serde(skip)]
    pub name: String,
    /// What runs there.
    pub runner: RunnerKind,
    /// Base URL of its REST API, or of its Job API (portable: `http://host:port` of the job endpoint), without a
    /// trailing slash.
    #[serde(default)]
    pub url: Option<String>,
    /// Credential the host attaches.
    #[serde(default)]
    pub credential: Option<CredentialRef>,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// Default pipeline options; a caller's value wins, except for options only an operator may set.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// What a caller may name as `preset` instead of writing it out, by name.
    #[serde(default)]
    pub presets: BTreeMap<String, Preset>,
    /// Directory savepoints go to when a caller names none (Flink).
    #[serde(default)]
    pub savepoint_dir: Option<String>,
    /// Prefixes a caller's savepoint path or directory must start with; empty: only `savepoint_dir` and its children.
    #[serde(default)]
    pub savepoint_prefixes: Vec<String>,
    /// Python interpreter with `apache_beam` (Direct, portable).
    #[serde(default)]
    pub python: Option<String>,
    /// Absolute path of Beam's Prism, for jobs that name the runner `PrismRunner` (Direct); nothing is downloaded.
    #[serde(default)]
    pub prism: Option<String>,
    /// Path of Beam's job-server jar for this cluster: with it, and `python`, Python pipelines and Beam YAML run there
    /// (Flink, Spark).
    #[serde(default)]
    pub job_server_jar: Option<String>,
    /// Dotted prefixes of installed Python modules that callers may run (Direct, portable); `apache_beam.examples` always.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Variables a child sees besides the host's own allow-list (Direct, portable); `env:NAME` and `file:PATH` are
    /// resolved by the host.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Most children at once (Direct: jobs; portable: programs that build a pipeline); default 8.
    #[serde(default)]
    pub max_jobs: Option<u32>,
    /// Limits of each child (Direct, portable).
    #[serde(default)]
    pub limits: Limits,
    /// Google Cloud project (Dataflow).
    #[serde(default)]
    pub project: Option<String>,
    /// Region (Dataflow); `-` watches the jobs of all regions of the project, and starts none.
    #[serde(default)]
    pub region: Option<String>,
    /// Base URL of Cloud Logging, where workers' logs are (Dataflow); Google's own where `url` is.
    #[serde(default)]
    pub logging_url: Option<String>,
    /// Prefixes, each to the end of a path segment, that a caller's template must lie beneath (Dataflow); Google's own
    /// templates always may be taken.
    #[serde(default)]
    pub template_prefixes: Vec<String>,
    /// Master as drivers reach it, `spark://host:7077` (Spark); by default what the master's page says.
    #[serde(default)]
    pub spark_master: Option<String>,
    /// Base URL of the master's web page, port 8080 by default; `url` is that of its submission REST API, port 6066
    /// by default (Spark).
    #[serde(default)]
    pub master_url: Option<String>,
    /// Base URL of the history server, for metrics of applications that have ended (Spark).
    #[serde(default)]
    pub history_url: Option<String>,
    /// Folder on this server's machine that workers read jars from: the checked copy of a jar is put there as
    /// `<sha256>.jar` (Spark). Jars stay there, but for those put together for a Python pipeline; remove those no job
    /// uses.
    #[serde(default)]
    pub jar_folder: Option<String>,
    /// The same folder as workers reach it, for instance `file:/mnt/jars` or `hdfs://…/jars`; by default `file:` and
    /// `jar_folder` (Spark).
    #[serde(default)]
    pub jar_url: Option<String>,
    /// Hosts on which workers and drivers serve their pages, besides those of the URLs above: names, addresses, and
    /// `*.suffix` or `10.0.*` for many (Spark). Pages elsewhere are not read: anybody may register a worker.
    #[serde(default)]
    pub worker_hosts: Vec<String>,
    /// How many times faster than the wall clock (simulator); default 1.
    #[serde(default)]
    pub speed: Option<f64>,
    /// Script taken when a job's `simulator_script` option names none (simulator); default `running`.
    #[serde(default)]
    pub script: Option<String>,
    /// How much of a caller-made id the scripted cluster honours (simulator).
    #[serde(default)]
    pub identity: Identity,
}

impl Target {
    /// A target with nothing but its runner.
    pub fn new(name: &str, runner: RunnerKind) -> Self {
        Self {
            name: name.to_owned(),
            runner,
            url: None,
            credential: None,
            description: String::new(),
            options: Map::new(),
            presets: BTreeMap::new(),
            savepoint_dir: None,
            savepoint_prefixes: Vec::new(),
            python: None,
            prism: None,
            job_server_jar: None,
            modules: Vec::new(),
            env: BTreeMap::new(),
            max_jobs: None,
            limits: Limits::default(),
            project: None,
            region: None,
            logging_url: None,
            template_prefixes: Vec::new(),
            spark_master: None,
            master_url: None,
            history_url: None,
            jar_folder: None,
            jar_url: None,
            worker_hosts: Vec::new(),
            speed: None,
            script: None,
            identity: Identity::Chosen,
        }
    }
}

/// How a scripted cluster knows its jobs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// By the id we choose (as Flink).
    #[default]
    Chosen,
    /// By a unique name while active (as Dataflow).
    Named,
    /// By a marker among the options (as Spark).
    Marker,
    /// Not at all.
    None,
}

impl Identity {
    /// True when a second submission under our id is the first (class A of security-reliability.md 4.3); elsewhere it
    /// would be a second job (class C).
    pub fn deduplicates(self) -> bool {
        match self {
            Self::Chosen | Self::Named => true,
            Self::Marker | Self::None => false,
        }
    }

    /// True when a mark, and not its id, tells whose a job is.
    pub fn is_marker(self) -> bool {
        self == Self::Marker
    }

    /// True when a job can be asked for by our id.
    pub fn is_searchable(self) -> bool {
        self != Self::None
    }
}

/// Where the host finds a credential and how it attaches it: one of `secret` and `token`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CredentialRef {
    /// Header it goes into; default `authorization`.
    #[serde(default)]
    pub header: Option<String>,
    /// Text before the secret; default `Bearer ` for a `token`, nothing for a `secret`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// `env:NAME` or `file:PATH`; never the secret itself.
    #[serde(default)]
    pub secret: Option<String>,
    /// Where tokens that live for a time come from.
    #[serde(default)]
    pub token: Option<TokenSource>,
}

/// Where tokens come from. Each is kept while it lives and fetched again five minutes before its end.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// Google's application default credentials: the file `GOOGLE_APPLICATION_CREDENTIALS` names, what
    /// `gcloud auth application-default login` left, or the metadata server of the machine.
    GoogleDefault,
    /// `env:NAME` or `file:PATH` of a Google key as JSON: a service account's, or an authorised user's.
    GoogleKey(String),
    /// Google's metadata server, for this account of the machine, for instance `default`.
    GoogleMetadata(String),
    /// Absolute path and arguments of a program that prints a token, or JSON with `access_token` and `expires_in`.
    Command(Vec<String>),
    /// Path of a file that somebody keeps a valid token in.
    File(String),
}

impl TokenSource {
    /// The key it stands under.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GoogleDefault => "google_default",
            Self::GoogleKey(_) => "google_key",
            Self::GoogleMetadata(_) => "google_metadata",
            Self::Command(_) => "command",
            Self::File(_) => "file",
        }
    }
}

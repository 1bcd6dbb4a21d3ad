use serde::{Deserialize, Serialize};

use super::Blob;

/// Name of bytes the host holds: `sha256:<64 hex>`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub String);

/// Bytes to open, check and keep under their hash.
///
/// # Shape
/// The host opens a path beneath its configured roots without following a symbolic link, copies it into its own
/// folder while hashing, and from then on only the copy is used. `add` makes a new zip from `base` with entries added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Where the bytes come from.
    pub base: Origin,
    /// Zip entries to add: entry name and source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(String, SourceId)>,
    /// Class looked for in a zip; `None`: its `Main-Class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// Reads the bytes as a Beam YAML pipeline, for [`Source::outline`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outline: bool,
    /// Folder of the host's machine, of the operator's configuration, into which the copy is also put as
    /// `<sha256>.jar` for a cluster that reads it there. A host without files refuses it with `no_folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The job for which an archive is put together, or placed after that: it goes when no job needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Use>,
    /// Largest size accepted, in bytes.
    pub max_bytes: u64,
}

impl Recipe {
    /// The bytes as they are.
    pub fn plain(base: Origin, max_bytes: u64) -> Self {
        Self { base, add: Vec::new(), entry_class: None, outline: false, place: None, used: None, max_bytes }
    }
}

/// A job's need of what a host has put together for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// The job's token.
    pub job: String,
    /// The job has ended: nothing is placed for it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// Where staged bytes come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A path beneath the configured roots.
    Path(String),
    /// Bytes that are staged already (an uploaded artifact).
    Artifact(SourceId),
    /// These bytes.
    Bytes(Blob),
    /// A file that the child of a job left in `artifacts` of its folder.
    Left {
        /// The job's token.
        job: String,
        /// Its name there.
        name: String,
    },
    /// The file that `job_server_jar` of the configuration of this target names.
    JobServer(String),
}

/// A staged source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The name.
    pub id: SourceId,
    /// Lower-case hex of the SHA-256.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Last path segment it was asked under.
    #[serde(default)]
    pub file_name: String,
    /// For a zip: what it declares, read from the central directory; `None` when it is no zip.
    #[serde(default)]
    pub archive: Option<Artifact>,
    /// What it holds as a Beam YAML pipeline, where [`Recipe::outline`] asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
}

/// A Beam YAML pipeline as far as it can be read without Beam.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// The first place that cannot be right.
    #[serde(default)]
    pub fault: Option<YamlFault>,
    /// It is a template that has to be filled in before it is YAML, so it was not read.
    #[serde(default)]
    pub templated: bool,
    /// Number of transforms, nested ones included.
    #[serde(default)]
    pub transforms: u64,
}

/// A place in a YAML file that cannot be right.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct YamlFault {
    /// Line, from 1; 0: unknown.
    pub line: u64,
    /// Column, from 1; 0: unknown.
    pub column: u64,
    /// What is wrong there.
    pub message: String,
    /// The only Beam (major.minor) that surely finds it wrong; none: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beam: Option<String>,
}

/// What a zip declares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// `Main-Class` of `META-INF/MANIFEST.MF`.
    #[serde(default)]
    pub main_class: Option<String>,
    /// Number of entries.
    pub entries: u64,
    /// True when one entry is the class file of [`Recipe::entry_class`] or, without one, of the `Main-Class`.
    #[serde(default)]
    pub main_class_present: bool,
}

/// Why a recipe or launch was refused.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Machine word: `not_found`, `outside_roots`, `symlink`, `not_a_file`, `too_large`, `unreadable`, `bad_name`,
    /// `bad_archive`, `disk_full`, `no_folder`, `no_program`, `limit`, `already_ran`.
    pub reason: String,
    /// What a person reads; names no path of the host beyond what the caller gave.
    #[serde(default)]
    pub detail: String,
}

/// A child process to start: its own session and folder, a cleared environment, no shell.
///
/// The child waits on a pipe. The flow commits its identity, then sends [`Signal::Release`]; when the parent is gone
/// first the child exits without doing anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Target whose configuration names the program's file and the most children at once.
    #[serde(default)]
    pub target: String,
    /// Named program of the host, for instance `python`: an interpreter and its own first arguments.
    pub program: String,
    /// Arguments after the program's own, each one item; paths are relative to the folder.
    pub argv: Vec<String>,
    /// Variables set besides the host's allow-list; `env:NAME` and `file:PATH` are resolved by the host.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Folder name beneath the host's work folder: `[0-9a-f]{32}`.
    pub folder: String,
    /// Files placed in the folder first: name, of at most two segments, and source.
    #[serde(default)]
    pub files: Vec<(String, SourceId)>,
    /// Limits.
    pub limits: Limits,
}

/// Limits of a child; `None` is the host's default.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Address space in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// CPU seconds.
    #[serde(default)]
    pub cpu_seconds: Option<u64>,
    /// Largest file written, in bytes.
    #[serde(default)]
    pub file_bytes: Option<u64>,
    /// Wall time in milliseconds before the group is killed.
    #[serde(default)]
    pub wall_ms: Option<u64>,
}

/// A child that waits.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Process id, also of its group and session.
    pub pid: u32,
    /// Start time in the clock ticks of the system since boot.
    pub start_time: u64,
}

/// Identity of a child that holds after a restart of the server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Handle {
    /// Its folder.
    pub folder: String,
    /// Process id.
    pub pid: u32,
    /// Start time in the clock ticks of the system since boot.
    pub start_time: u64,
}

/// What is done to a child and its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Lets it go on.
    Release,
    /// SIGTERM to the group.
    Term,
    /// SIGKILL to the group.
    Kill,
}

/// One question about a child.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "query")]
pub enum Query {
    /// Does it live? [`Fact::Alive`]
    Alive,
    /// What did it leave as `state.json` and `result.json`? [`Fact::Result`]
    Result,
    /// A piece of its output: [`Fact::Log`].
    Log {
        /// Which.
        stream: LogStream,
        /// Byte offset to read from; `None` reads the last `max` bytes.
        from: Option<u64>,
        /// Most bytes to return.
        max: u64,
    },
    /// What is in a file that the child left? [`Fact::File`]
    File {
        /// Its name: one segment.
        name: String,
        /// Most bytes to return, from the start.
        max: u64,
    },
    /// What is in a staged file? [`Fact::File`]; the handle is not looked at.
    Source {
        /// Its name.
        id: SourceId,
        /// Most bytes to return, from the start.
        max: u64,
    },
    /// Is a named program there? [`Fact::Program`]; the handle is not looked at.
    Program {
        /// Target whose configuration names the program's file.
        target: String,
        /// Name of the program, for instance `python`.
        program: String,
    },
}

/// Output streams of a child.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// One answer about a child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// Whether it lives, and how it ended where the host saw that.
    Alive {
        /// The same process still runs.
        alive: bool,
        /// Exit code, known only to the host that started it.
        #[serde(default)]
        exit_code: Option<i32>,
        /// Signal that ended it, known only to the host that started it.
        #[serde(default)]
        signal: Option<i32>,
        /// Limit for which the host ended it: `wall_ms` or `log_bytes`.
        #[serde(default)]
        limit: Option<String>,
        /// It was let go on and may have run; one that never was has done nothing and never will.
        #[serde(default)]
        released: bool,
    },
    /// The files it left, as JSON text.
    Result {
        /// `state.json`
        #[serde(default)]
        state: Option<String>,
        /// `result.json`
        #[serde(default)]
        result: Option<String>,
    },
    /// A piece of output.
    Log {
        /// Offset of the first byte returned.
        from: u64,
        /// Size of the file.
        size: u64,
        /// The bytes.
        data: Blob,
    },
    /// What a named program says of itself, as of the last minutes.
    Program {
        /// It is there and can be started.
        found: bool,
        /// Its version.
        #[serde(default)]
        version: Option<String>,
        /// Version of the `apache_beam` it can import.
        #[serde(default)]
        beam_version: Option<String>,
        /// It can import what Beam YAML needs.
        #[serde(default)]
        yaml: bool,
    },
    /// A file the child left.
    File {
        /// Its size in bytes; `None`: there is no such file.
        #[serde(default)]
        size: Option<u64>,
        /// The bytes.
        data: Blob,
    },
}

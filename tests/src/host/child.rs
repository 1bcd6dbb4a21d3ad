//! A child process of the Direct runner, as the native host and `wrapper.py` were seen to treat one.

use std::{fs, sync::LazyLock};

use beam_mcp_core::effect::{Fact, Held, Query, Refusal, Reply, Signal};

use crate::golden::vectors;

/// How the child is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Child {
    /// There is none.
    #[default]
    None,
    /// It waits for its release.
    Held,
    /// Its parent was gone before it was released: it has done nothing.
    GoneUnreleased,
    /// It was let go; it has written nothing yet.
    Released,
    /// The pipeline runs.
    Running,
    /// It was told to end.
    Told,
    /// It left a result: the pipeline was done.
    Finished,
    /// It left a result: the pipeline failed.
    Failed,
    /// It is gone and left none.
    Gone,
}

const HELD: Held = Held { pid: 4242, start_time: 777 };

/// What the real wrapper left (`vectors/direct/recorded`).
struct Files {
    state: String,
    finished: String,
    failed: String,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let read = |name: &str| {
        let path = vectors().join(format!("direct/recorded/{name}.json"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Files { state: read("state"), finished: read("success"), failed: read("failure") }
});

impl Child {
    /// True while its pipeline can act.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Released | Self::Running | Self::Told)
    }

    fn is_alive(self) -> bool {
        self.is_live() || self == Self::Held
    }

    pub(super) fn launches(self) -> Vec<&'static str> {
        match self {
            Self::None | Self::Held | Self::GoneUnreleased => {
                vec!["held", "limit", "no_program", "disk_full", "unsupported"]
            }
            _ => vec!["already_ran"],
        }
    }

    pub(super) fn launch(&mut self, word: &str) -> Reply {
        match word {
            "held" => {
                *self = Self::Held;
                Reply::Held(HELD)
            }
            reason => Reply::Refused(Refusal { reason: reason.into(), detail: String::new() }),
        }
    }

    pub(super) fn signals(self) -> Vec<&'static str> {
        if self.is_alive() { vec!["done", "gone before"] } else { vec!["done"] }
    }

    pub(super) fn signal(&mut self, signal: Signal, word: &str) -> Reply {
        *self = match (signal, *self, word) {
            (Signal::Release, Self::Held, "done") => Self::Released,
            (_, Self::Held, _) => Self::GoneUnreleased,
            (Signal::Term, Self::Released | Self::Running, "done") => Self::Told,
            (Signal::Kill, was, _) if was.is_live() => Self::Gone,
            (Signal::Term, was, "gone before") if was.is_live() => Self::Finished,
            (_, was, _) => was,
        };
        Reply::Ok
    }

    pub(super) fn observations(self, queries: &[Query]) -> Vec<&'static str> {
        match (queries.first(), self) {
            (Some(Query::Program { .. }), _) => vec!["found", "without Beam", "missing", "unsupported"],
            (_, Self::Held) => vec!["as it was", "gone"],
            (_, Self::Released) => vec!["running", "as it was", "failed", "gone"],
            (_, Self::Running) => vec!["as it was", "finished", "failed", "gone"],
            (_, Self::Told) => vec!["gone", "as it was", "finished"],
            _ => vec!["as it was"],
        }
    }

    pub(super) fn observe(&mut self, queries: &[Query], word: &str) -> Reply {
        *self = match word {
            "running" => Self::Running,
            "finished" => Self::Finished,
            "failed" => Self::Failed,
            "gone" if *self == Self::Held => Self::GoneUnreleased,
            "gone" => Self::Gone,
            _ => *self,
        };
        Reply::Facts { facts: queries.iter().map(|query| self.fact(query, word)).collect() }
    }

    fn fact(self, query: &Query, word: &str) -> Fact {
        match query {
            Query::Alive => self.alive(),
            Query::Result => self.files(),
            Query::Log { from, .. } => {
                let data = "one line\n";
                Fact::Log { from: from.unwrap_or(0), size: data.len() as u64, data: data.into() }
            }
            Query::Program { .. } => Fact::Program {
                found: word != "missing",
                version: (word != "missing").then(|| "3.11.7".into()),
                beam_version: (word == "found").then(|| "2.77.0".into()),
                yaml: word == "found",
            },
            Query::File { .. } | Query::Source { .. } => Fact::File { size: None, data: Vec::new().into() },
        }
    }

    fn alive(self) -> Fact {
        let exit_code = match self {
            Self::Finished => Some(0),
            Self::Failed => Some(1),
            _ => None,
        };
        let released = !matches!(self, Self::None | Self::Held | Self::GoneUnreleased);
        Fact::Alive { alive: self.is_alive(), exit_code, signal: None, limit: None, released }
    }

    fn files(self) -> Fact {
        let started = !matches!(self, Self::None | Self::Held | Self::GoneUnreleased | Self::Released);
        let result = match self {
            Self::Finished => Some(FILES.finished.clone()),
            Self::Failed => Some(FILES.failed.clone()),
            _ => None,
        };
        Fact::Result { state: started.then(|| FILES.state.clone()), result }
    }
}

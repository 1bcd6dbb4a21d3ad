//! A child process, as the native host and `wrapper.py` were seen to treat one: a program of the Direct runner, or one
//! that is run until it has submitted its pipeline.

use std::{fs, sync::LazyLock};

use beam_mcp_core::{
    effect::{Blob, Fact, Held, Query, Refusal, Reply, Signal},
    job_api::{message::Prepare, protobuf::Encoder},
};

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

/// What a child leaves in its folder.
pub(super) struct Left {
    state: String,
    finished: String,
    failed: String,
    pipeline: Blob,
}

/// What the real wrapper left of a program (`vectors/direct/recorded`).
pub(super) static PROGRAM: LazyLock<Left> = LazyLock::new(|| {
    let read = |name: &str| {
        let path = vectors().join(format!("direct/recorded/{name}.json"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Left { state: read("state"), finished: read("success"), failed: read("failure"), pipeline: Blob::EMPTY }
});

/// The same of one whose pipeline it kept (`capture.py`).
pub(super) static CAPTURE: LazyLock<Left> = LazyLock::new(|| Left {
    state: PROGRAM.state.clone(),
    finished: r#"{"state": "CAPTURED"}"#.into(),
    failed: PROGRAM.failed.clone(),
    pipeline: pipeline().write().into(),
});

/// Worker pool of the target, which a pipeline asks for.
pub(super) const POOL: &str = "pool:50000";

/// The least that is a pipeline: one environment.
fn pipeline() -> Prepare {
    let pool = Encoder::new().bytes(1, &Encoder::new().text(1, POOL).finish()).finish();
    let environment = Encoder::new().text(2, "beam:env:external:v1").bytes(3, &pool).finish();
    let components = Encoder::new().entry(5, "environment", &environment).finish();
    let pipeline = Encoder::new().bytes(1, &components).text(2, "root").finish();
    Prepare { pipeline, options: Vec::new(), job_name: "words".into() }
}

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
            // A child that was let go once is answered with, and none is started.
            _ => vec!["held"],
        }
    }

    pub(super) fn launch(&mut self, word: &str) -> Reply {
        match word {
            "held" => {
                if matches!(self, Self::None | Self::GoneUnreleased) {
                    *self = Self::Held;
                }
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
            (Some(Query::File { .. }), _) => vec!["read", "unsupported"],
            (_, Self::Held) => vec!["as it was", "gone"],
            (_, Self::Released) => vec!["running", "as it was", "failed", "gone"],
            (_, Self::Running) => vec!["as it was", "finished", "failed", "gone"],
            (_, Self::Told) => vec!["gone", "as it was", "finished"],
            _ => vec!["as it was"],
        }
    }

    /// The same of a child that runs up to its pipeline, in which it is as quick as its first look.
    pub(super) fn captures(self, queries: &[Query]) -> Vec<&'static str> {
        match (queries.first(), self) {
            (Some(Query::Alive), Self::Released | Self::Running) if queries.len() == 2 => {
                vec!["finished", "running", "failed", "gone"]
            }
            _ => self.observations(queries),
        }
    }

    pub(super) fn observe(&mut self, queries: &[Query], word: &str, left: &Left) -> Reply {
        *self = match word {
            "running" => Self::Running,
            "finished" => Self::Finished,
            "failed" => Self::Failed,
            "gone" if *self == Self::Held => Self::GoneUnreleased,
            "gone" => Self::Gone,
            _ => *self,
        };
        Reply::Facts { facts: queries.iter().map(|query| self.fact(query, word, left)).collect() }
    }

    fn fact(self, query: &Query, word: &str, left: &Left) -> Fact {
        match query {
            Query::Alive => self.alive(),
            Query::Result => self.files(left),
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
            Query::File { .. } if self == Self::Finished => {
                Fact::File { size: Some(left.pipeline.as_slice().len() as u64), data: left.pipeline.clone() }
            }
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

    fn files(self, left: &Left) -> Fact {
        let started = !matches!(self, Self::None | Self::Held | Self::GoneUnreleased | Self::Released);
        let result = match self {
            Self::Finished => Some(left.finished.clone()),
            Self::Failed => Some(left.failed.clone()),
            _ => None,
        };
        Fact::Result { state: started.then(|| left.state.clone()), result }
    }
}

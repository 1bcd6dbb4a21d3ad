//! Kinds of effect, for the table of what was covered.

use beam_mcp_core::{
    effect::{Effect, Method, Request, Signal},
    store::Op,
};

/// Declares the kinds.
macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// What an effect asks for, as finely as faults tell effects apart.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[allow(missing_docs, reason = "their names say it")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name in the table.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    Get "get", Scan "scan", Commit "commit", Read "send read", Upload "send upload", Run "send run",
    Cancel "send cancel", Trigger "send savepoint", Scale "send scale", Launch "launch", Release "release",
    Signal "signal", Observe "observe", Stage "stage", Sleep "sleep", Wait "wait", Publish "publish", Other "other",
}

impl Kind {
    /// The kind of an effect.
    pub fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Store(Op::Get { .. }) => Self::Get,
            Effect::Store(Op::Scan(_)) => Self::Scan,
            Effect::Store(Op::Commit(_)) => Self::Commit,
            Effect::Send(request) => Self::of_request(request),
            Effect::SendAll { .. } => Self::Read,
            Effect::Rpc { method, .. } => Self::of_method(method),
            Effect::Launch(_) => Self::Launch,
            Effect::Signal { signal: Signal::Release, .. } => Self::Release,
            Effect::Signal { .. } => Self::Signal,
            Effect::Observe { .. } => Self::Observe,
            Effect::Stage(_) => Self::Stage,
            Effect::Sleep { .. } => Self::Sleep,
            Effect::Wait { .. } => Self::Wait,
            Effect::Publish { .. } => Self::Publish,
            _ => Self::Other,
        }
    }

    /// Of Flink, of Spark's submission API, and of Dataflow, which changes states and bounds by the same method.
    fn of_request(request: &Request) -> Self {
        let path = request.path.as_str();
        match request.method {
            Method::Patch => Self::Cancel,
            Method::Put if path.contains("/v1b3/") && !path.contains("updateMask=") => Self::Cancel,
            Method::Put => Self::Scale,
            Method::Post if path.ends_with("/run") || path.ends_with("/submissions/create") => Self::Run,
            Method::Post if path.contains("emplates:launch") => Self::Run,
            Method::Post if path.contains("/submissions/kill/") => Self::Cancel,
            Method::Post if path.ends_with("/upload") => Self::Upload,
            Method::Post => Self::Trigger,
            Method::Get | Method::Delete => Self::Read,
        }
    }

    /// Of a job service.
    fn of_method(method: &str) -> Self {
        match method.rsplit('/').next().unwrap_or_default() {
            "Prepare" => Self::Upload,
            "Run" => Self::Run,
            "Cancel" | "Drain" => Self::Cancel,
            _ => Self::Read,
        }
    }
}

use beam_mcp_core::{
    effect::{Effect, Method, Query, Reply, Signal},
    store::Op,
};

use super::Taken;

/// What stands in for the host and all behind it while a flow is explored.
pub trait World {
    /// Words for the replies it may give to an effect, the ordinary one first; at most 6.
    fn offers(&self, effect: &Effect) -> Vec<String>;

    /// Gives the reply of a word, with all that it changes in the world.
    fn answer(&mut self, effect: &Effect, word: &str) -> Reply;

    /// The flow's caller left while this was under way: nobody tells whether it was done.
    fn cancelled(&mut self, _: &Effect) {}

    /// A name for an effect that stays the same over its repetitions.
    fn label(&self, effect: &Effect) -> String {
        label(effect)
    }

    /// What of the world decides the replies to come: part of a node.
    fn state(&self) -> String {
        String::new()
    }

    /// What was seen during the script, or is left after it, that must not be.
    fn objections(&self, _: &[Taken]) -> Vec<String> {
        Vec::new()
    }
}

/// The plain name of an effect: kind, method and path without ids and query, kind of the record.
pub fn label(effect: &Effect) -> String {
    match effect {
        Effect::Send(request) => format!("send {} {}", method(request.method), place(&request.path)),
        Effect::SendAll { requests } => match requests.first() {
            Some(first) => format!("send all {} {}", method(first.method), place(&first.path)),
            None => "send all".into(),
        },
        Effect::Rpc { method, .. } => format!("rpc {}", method.rsplit('/').next().unwrap_or_default()),
        Effect::Sleep { .. } => "sleep".into(),
        Effect::Store(Op::Get { key }) => format!("get {}", key.kind),
        Effect::Store(Op::Scan(scan)) => format!("scan {}", scan.kind),
        Effect::Store(Op::Commit(commit)) => {
            let kinds = commit.writes.iter().map(|write| &*write.key.kind);
            let kinds: Vec<_> = kinds.filter(|kind| !kind.starts_with("job.")).collect();
            format!("commit {}", kinds.join("+"))
        }
        Effect::Stage(_) => "stage".into(),
        Effect::Launch(_) => "launch".into(),
        Effect::Signal { signal, .. } => format!("signal {}", signal_word(*signal)),
        Effect::Observe { queries, .. } => {
            format!("observe {}", queries.iter().map(query_word).collect::<Vec<_>>().join("+"))
        }
        Effect::Emit(_) => "emit".into(),
        Effect::Publish { .. } => "publish".into(),
        Effect::Wait { .. } => "wait".into(),
        other => format!("{other:?}"),
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Delete => "DELETE",
        Method::Get => "GET",
        Method::Patch => "PATCH",
        Method::Post => "POST",
        Method::Put => "PUT",
    }
}

fn signal_word(signal: Signal) -> &'static str {
    match signal {
        Signal::Release => "release",
        Signal::Term => "term",
        Signal::Kill => "kill",
    }
}

fn query_word(query: &Query) -> &'static str {
    match query {
        Query::Alive => "alive",
        Query::Result => "result",
        Query::Log { .. } => "log",
        Query::File { .. } => "file",
        Query::Source { .. } => "source",
        Query::Program { .. } => "program",
    }
}

/// A path without its query, with `…` for each segment that holds an id (a digit, or a `:` as it is encoded).
fn place(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let is_id = |segment: &&str| {
        let version = segment.strip_prefix('v').is_some_and(|rest| rest.len() == 1);
        !version && (segment.contains('%') || segment.bytes().any(|byte| byte.is_ascii_digit()))
    };
    path.split('/').map(|segment| if is_id(&segment) { "…" } else { segment }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use beam_mcp_core::effect::Request;

    #[test]
    fn a_label_holds_no_id() {
        let send = |path: &str| label(&Effect::Send(Request::new("t", Method::Get, path)));
        assert_eq!(send("/api/v1/jobs/sim%3A0123/logs?limit=3"), "send GET /api/v1/jobs/…/logs");
        assert_eq!(send("/jobs/overview"), "send GET /jobs/overview");
        assert_eq!(send("/v1/jobs/0123456789abcdef"), "send GET /v1/jobs/…");
    }
}

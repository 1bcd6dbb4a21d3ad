//! Repeating a call that may be repeated.

use std::{future::Future, time::Duration};

use crate::{
    error::{Error, Retry},
    flow::Io,
    pace::Backoff,
    random::Branch,
};

/// Longest `Retry-After` that is honoured.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Makes a call until it succeeds, may not be repeated, or the tries or the time are used up.
///
/// # Errors
/// The last error of the call.
pub async fn retry<T, F>(
    io: &Io,
    backoff: Backoff,
    deadline: Duration,
    branch: &Branch,
    call: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    retry_while(io, backoff, deadline, branch, call, |_| true).await
}

/// The same, as long as `may` allows it: asked last, once for each try that would follow.
///
/// # Errors
/// The last error of the call.
pub async fn retry_while<T, F>(
    io: &Io,
    backoff: Backoff,
    deadline: Duration,
    branch: &Branch,
    mut call: impl FnMut() -> F,
    may: impl Fn(&Error) -> bool,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut tries = 1;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        tries += 1;
        let Some(delay) = delay(&error, backoff, tries, branch) else { return Err(error) };
        if error.gave_up() || tries > backoff.tries || io.is_cancelled() || io.now().mono + delay >= deadline {
            return Err(error);
        }
        if !may(&error) {
            return Err(error);
        }
        io.sleep(delay).await?;
    }
}

fn delay(error: &Error, backoff: Backoff, next: u32, branch: &Branch) -> Option<Duration> {
    match error.retry() {
        Retry::Never => None,
        Retry::Safe => Some(backoff.delay(next, branch.seed())),
        Retry::After(wait) => Some(wait.min(LONGEST_RETRY_AFTER)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Effect, Fault, FaultKind, Method, Reply, Request},
        flow::{Flow, Now, Step},
        random::Seed,
    };

    fn get() -> Flow<u16> {
        Flow::new(|io| async move {
            let branch = Branch::new(Seed::new([0; 32]), "test");
            let call = || async { io.send(Request::new("t", Method::Get, "/")).await.map(|r| r.status) };
            retry(&io, Backoff { tries: 3, ..Backoff::READ }, Duration::from_secs(60), &branch, call).await
        })
    }

    #[test]
    fn a_refused_connection_is_tried_three_times() {
        let mut flow = get();
        let (mut sends, mut reply) = (0, None);
        let end = loop {
            match flow.step(Now::default(), reply.take()) {
                Step::Effect(Effect::Send(_)) => {
                    sends += 1;
                    reply = Some(Reply::Fault(Fault { kind: FaultKind::Refused, detail: String::new() }));
                }
                Step::Effect(_) => reply = Some(Reply::Elapsed),
                Step::Done(end) => break end,
            }
        };
        assert_eq!((sends, end.unwrap_err().reason().to_owned()), (3, "connection_refused".to_owned()));
    }

    #[test]
    fn a_cancel_ends_it() {
        let mut flow = get();
        let _ = flow.step(Now::default(), None);
        assert!(matches!(flow.step(Now::default(), Some(Reply::Cancelled)), Step::Done(Err(_))));
    }
}

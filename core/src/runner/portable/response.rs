//! What a service answers, read as jobs and errors.

use std::time::Duration;

use super::request::MARKER;
use crate::{
    error::{Error, ErrorKind, Landed, Retry},
    flow::Rpc,
    job::{Job, JobState, JobType, id::is_token},
    job_api::message::{Event, JobInfo, State},
    runner::Sighting,
    text,
};

/// How long after a `Run` a job may still be shown as prepared only.
const BEGINS_MS: u64 = 60_000;
/// Longest native id that is listed.
const ID_BYTES: usize = 200;

/// The body of a good answer.
///
/// # Errors
/// By gRPC's status: [`Landed::No`] where it says that nothing was done.
pub(super) fn answered(rpc: Rpc) -> Result<Vec<u8>, Error> {
    use ErrorKind as K;
    if rpc.status == 0 {
        return Ok(rpc.body);
    }
    let said = text::clean(&rpc.message, 1024);
    let (kind, reason, landed) = match rpc.status {
        3 | 11 => (K::InvalidArgument, "refused_by_service", Landed::No),
        5 => (K::NotFound, "job_unknown_to_service", Landed::No),
        6 | 9 => (K::FailedPrecondition, "refused_by_service", Landed::No),
        7 | 16 => (K::Unavailable, "credential_refused", Landed::No),
        8 => (K::RateLimited, "runner_busy", Landed::No),
        12 => (K::Unsupported, "unsupported_by_runner", Landed::No),
        4 => (K::DeadlineExceeded, "timeout", Landed::Perhaps),
        14 => (K::Unavailable, "runner_unavailable", Landed::Perhaps),
        // Python's and Go's servers say UNKNOWN of whatever was raised.
        _ => (K::Unavailable, "runner_error", Landed::Perhaps),
    };
    let error = Error::new(kind, reason, format!("the job service answered {}: {said}", rpc.status)).landed_as(landed);
    Err(match rpc.status {
        8 | 14 => error.retry_as(Retry::After(Duration::from_secs(1))),
        4 => error,
        _ => error.retry_as(Retry::Never),
    })
}

/// The native id of a job of a list.
pub(super) fn native_id(info: &JobInfo) -> String {
    match marker(info) {
        Some(token) => with_token(&info.id, token),
        None => info.id.clone(),
    }
}

/// The native id of a job of ours.
pub(super) fn with_token(id: &str, token: &str) -> String {
    format!("{id}.{token}")
}

/// Our token in a job's options.
fn marker(info: &JobInfo) -> Option<&str> {
    info.options.get(MARKER)?.as_str().filter(|token| is_token(token))
}

/// The id the service knows a job by.
pub(super) fn service_id(native_id: &str) -> &str {
    native_id.rsplit_once('.').filter(|(_, token)| is_token(token)).map_or(native_id, |(id, _)| id)
}

/// The entry of a job: by its native id once that is known, else by our marker, and then only if it was run. What was
/// prepared without a `Run` is STOPPED.
pub(super) fn find<'a>(jobs: &'a [JobInfo], job: &Job, now_ms: u64) -> Option<&'a JobInfo> {
    if let Some(known) = job.native_id.as_deref().or(job.id.foreign_id()) {
        let shown = |info: &&JobInfo| (native_id(info) == known || info.id == known) && is_named_so(info, job);
        return jobs.iter().find(shown).filter(|info| !is_another(info, job, now_ms));
    }
    let ours = jobs.iter().filter(|info| marker(info) == Some(job.token()));
    ours.filter(|info| info.state != State::STOPPED).max_by_key(|info| info.state != State::FAILED)
}

/// Ids are given again after a restart, also to a second arrival of what was prepared for this very job: nothing runs
/// under it.
fn is_another(info: &JobInfo, job: &Job, now_ms: u64) -> bool {
    let begins = now_ms.saturating_sub(job.sent_ms) < BEGINS_MS;
    info.state == State::STOPPED && job.id.token().is_some() && !begins
}

/// Ids are given again after a restart: a job of others must still have the name it was seen under.
fn is_named_so(info: &JobInfo, job: &Job) -> bool {
    job.id.token().is_some() || job.name.is_empty() || job.name == shown_name(info)
}

fn shown_name(info: &JobInfo) -> String {
    text::clean_line(&info.name, 128)
}

/// What a list shows of a job; `None` for what was only prepared, and for ids that cannot be part of ours.
pub(super) fn listed(info: &JobInfo) -> Option<Sighting> {
    let native_id = native_id(info);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !native_id.is_empty() && native_id.len() <= ID_BYTES && native_id.chars().all(plain);
    (fits && info.state != State::STOPPED).then(|| sighting(info, String::new()))
}

pub(super) fn sighting(info: &JobInfo, diagnostics: String) -> Sighting {
    Sighting {
        native_id: native_id(info),
        token: marker(info).map(str::to_owned),
        name: Some(shown_name(info)).filter(|name| !name.is_empty()),
        state: state(info.state),
        runner_state: info.state.word().to_owned(),
        job_type: job_type(info),
        diagnostics,
        ..Sighting::default()
    }
}

fn job_type(info: &JobInfo) -> Option<JobType> {
    let streaming = info.options.get("beam:option:streaming:v1")?.as_bool()?;
    Some(if streaming { JobType::Streaming } else { JobType::Batch })
}

/// Our word for a service's state; `None`: no change.
pub(super) fn state(state: State) -> Option<JobState> {
    Some(match state {
        State::STOPPED | State::STARTING => JobState::Pending,
        State::RUNNING => JobState::Running,
        State::DONE => JobState::Finished,
        State::FAILED => JobState::Failed,
        State::CANCELLED => JobState::Canceled,
        State::UPDATED => JobState::Updated,
        State::DRAINING => JobState::Draining,
        State::DRAINED => JobState::Drained,
        State::CANCELLING => JobState::Cancelling,
        State::UPDATING => JobState::Updating,
        _ => return None,
    })
}

/// Why a job failed, of what the service tells about it: the last line of the last error that says something.
pub(super) fn cause(events: &[Event]) -> String {
    let mut errors = events.iter().rev().filter_map(|event| match event {
        Event::Message { importance: 5, text, .. } => Some(text),
        Event::Message { .. } | Event::State(_) => None,
    });
    let line = |text: &String| {
        let spoken = |line: &&str| !line.trim().is_empty() && !line.starts_with([' ', '\t']);
        text.lines().rev().find(spoken).map(|line| text::clean_line(line.trim(), 2048))
    };
    errors.find_map(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn info(id: &str, state: State, token: Option<&str>) -> JobInfo {
        let options = token.map(|token| (MARKER.to_owned(), json!(token))).into_iter().collect();
        JobInfo { id: id.into(), name: "demo".into(), options, state }
    }

    fn ours() -> Job {
        let id = crate::job::JobId::own("prism", TOKEN);
        Job::intended(id, crate::config::RunnerKind::Portable, "p", crate::job::JobSpec::default(), 1)
    }

    #[test]
    fn a_job_of_ours_is_known_by_id_and_token() {
        let jobs = [
            info("job-001", State::RUNNING, None),
            info("job-002", State::STOPPED, Some(TOKEN)),
            info("job-003", State::RUNNING, Some(TOKEN)),
        ];
        assert_eq!(find(&jobs, &ours(), 9).unwrap().id, "job-003", "what was only prepared was not run");
        assert!(find(&jobs[..2], &ours(), 9).is_none());
        let known = Job { native_id: Some(with_token("job-001", TOKEN)), ..ours() };
        assert!(find(&jobs, &known, 9).is_none(), "the id was given to another job");
        let again = Job { native_id: Some(with_token("job-002", TOKEN)), ..ours() };
        assert_eq!(find(&jobs, &again, BEGINS_MS - 1).unwrap().id, "job-002", "it may be about to begin");
        assert!(find(&jobs, &again, BEGINS_MS).is_none(), "prepared anew, after what ran was forgotten");
        let adopted = Job { native_id: Some("job-001".into()), ..ours() };
        assert_eq!(find(&jobs, &adopted, 9).unwrap().id, "job-001");
    }

    #[test]
    fn a_job_of_others_keeps_its_name() {
        let id = crate::job::JobId::foreign("prism", "job-001");
        let mut foreign = Job::discovered(id, crate::config::RunnerKind::Portable, 1);
        let jobs = [info("job-001", State::RUNNING, None)];
        assert!(find(&jobs, &foreign, 9).is_some());
        foreign.name = "other".into();
        assert!(find(&jobs, &foreign, 9).is_none());
    }

    #[test]
    fn ids_go_there_and_back() {
        let native = native_id(&info("job-001", State::DONE, Some(TOKEN)));
        assert_eq!((native.as_str(), service_id(&native)), (&*format!("job-001.{TOKEN}"), "job-001"));
        assert_eq!(service_id("job-9.x"), "job-9.x");
        assert_eq!(native_id(&info("job-001", State::DONE, Some("../x"))), "job-001");
    }

    #[test]
    fn what_is_listed_was_run_and_has_a_plain_id() {
        assert!(listed(&info("job-1", State::STOPPED, None)).is_none());
        for bad in ["", "a b", "a/b", &"x".repeat(201)] {
            assert!(listed(&info(bad, State::RUNNING, None)).is_none(), "{bad}");
        }
        assert_eq!(listed(&info("job-1", State::STARTING, None)).unwrap().state, Some(JobState::Pending));
    }

    #[test]
    fn statuses_say_whether_something_may_have_begun() {
        let error = |status| answered(Rpc { status, message: "m".into(), body: vec![] }).unwrap_err();
        for (status, landed) in
            [(3, Landed::No), (5, Landed::No), (12, Landed::No), (2, Landed::Perhaps), (14, Landed::Perhaps)]
        {
            assert_eq!(error(status).landed(), landed, "{status}");
        }
        assert_eq!((error(2).retry(), error(14).retry() == Retry::Never), (Retry::Never, false));
    }

    #[test]
    fn the_cause_is_the_last_line_that_says_something() {
        let message = |importance, text: &str| Event::Message {
            id: String::new(),
            time: String::new(),
            importance,
            text: text.into(),
        };
        let events =
            [message(5, "old"), message(5, "Traceback\n  File\nValueError: bad 7\n\n"), message(3, "completed")];
        assert_eq!(cause(&events), "ValueError: bad 7");
        assert_eq!(cause(&[]), "");
    }
}

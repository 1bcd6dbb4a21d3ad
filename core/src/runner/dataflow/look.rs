//! Listing jobs and looking at one.

use std::time::Duration;

use super::{
    Dataflow,
    flow::native_id,
    name::{LABEL, token_of_name},
    regions::known_as,
    request::{self, Filter},
    response::{self, JobAnswer, MessagePage},
    state::job_type,
    submit::{Launch, launch_of},
};
use crate::{
    clock::{CLOCKS, unix_ms},
    error::{Error, ErrorKind},
    job::{Job, JobState},
    pace::Backoff,
    runner::{Look, Sighting},
    text::{clean, clean_line},
};

/// Longest name of a job that is kept.
const NAME_BYTES: usize = 256;
/// Longest diagnosis that is kept, and how many messages it is made of.
const DIAGNOSIS_BYTES: usize = 4 << 10;
const DIAGNOSIS_MESSAGES: usize = 5;
/// Dataflow may not show a job yet for this long after its launch.
pub(super) const LAG: Duration = Duration::from_secs(2 * 60);
/// What a job is called on Dataflow before it is shown.
const UNSEEN: &str = "not shown yet";
/// Jobs of one name that are looked into for our label.
const MOST_OF_ONE_NAME: usize = 5;

impl Dataflow {
    /// The jobs that have not ended. How one of ours ended is asked for by itself.
    pub(super) async fn list_jobs(&self) -> Result<Vec<Sighting>, Error> {
        let jobs = self.pages(Filter::Active).await?;
        let target = &self.context.target;
        let seen = |job| Sighting { native_id: known_as(target, job), ..sighting(job, String::new()) };
        Ok(jobs.iter().map(seen).collect())
    }

    pub(super) async fn look_at(&self, job: &Job) -> Result<Look, Error> {
        if job.native_id.is_none() {
            return self.look_by_name(job).await;
        }
        match self.job(native_id(job)?, false).await {
            Ok(answer) => self.seen(&answer).await,
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_young(job) => Ok(not_yet(job)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Look::Absent),
            Err(error) => Err(error),
        }
    }

    /// Looks for a launch that nobody answered. Silence counts once the list can be believed.
    async fn look_by_name(&self, job: &Job) -> Result<Look, Error> {
        match self.find(job, launch_of(job)?).await? {
            Some(answer) => self.seen(&answer).await,
            None if self.is_young(job) => {
                Err(Error::precondition("not_listed_yet", "Dataflow may not list a job until minutes after its launch"))
            }
            None => Ok(Look::Absent),
        }
    }

    /// The job of ours among those of its name.
    pub(super) async fn find(&self, job: &Job, launch: Launch<'_>) -> Result<Option<JobAnswer>, Error> {
        let mut named = self.pages(Filter::Named(launch.name)).await?;
        named.retain(|answer| answer.name == launch.name && may_be(answer, job.token(), launch.replaces));
        named.sort_by_key(|answer| (answer.has_ended(), std::cmp::Reverse(answer.created_ms())));
        if launch.replaces.is_none() && token_of_name(launch.name) == Some(job.token()) {
            return Ok(named.into_iter().next());
        }
        for answer in named.iter().take(MOST_OF_ONE_NAME) {
            // The name is that of the job it replaces, and a list need not show labels.
            let whole = self.job(&answer.id, true).await?;
            if whole.labels.get(LABEL).is_some_and(|label| label == job.token()) {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// True while a job of ours may not be shown yet: by the own clock where this process launched it, else by the wall.
    pub(super) fn is_young(&self, job: &Job) -> bool {
        let now = self.context.io.now();
        let own = self.context.launches.age(job.token(), now.mono).map(|age| age < LAG);
        job.id.token().is_some() && own.unwrap_or_else(|| is_young_by_wall(job, now.wall_ms))
    }

    async fn seen(&self, answer: &JobAnswer) -> Result<Look, Error> {
        let diagnostics = match answer.state() {
            Some(JobState::Failed) => self.diagnose(&answer.id).await?,
            Some(JobState::Updated) => format!("replaced by the job {}", clean_line(&answer.replaced_by_job_id, 128)),
            _ => String::new(),
        };
        Ok(Look::Seen(sighting(answer, diagnostics)))
    }

    /// What Dataflow says about a failure; a cancelled flow ends here, other trouble leaves the state as it was read.
    async fn diagnose(&self, id: &str) -> Result<String, Error> {
        let request = request::messages_request(&self.context.target, id, "JOB_MESSAGE_ERROR", (None, None), None);
        let once = Backoff { tries: 1, ..Backoff::READ };
        match self.read_within(once, request, response::read::<MessagePage>).await {
            Ok(page) => Ok(diagnosis(&page)),
            Err(error) if error.gave_up() => Err(error),
            Err(_) => Ok("Dataflow says that it failed; its messages could not be read".into()),
        }
    }
}

/// A permit further ahead than clocks may differ was taken before this one was set back: it is old.
fn is_young_by_wall(job: &Job, now_ms: u64) -> bool {
    let sent_ms = if job.sent_ms > 0 { job.sent_ms } else { job.created_ms };
    let behind = Duration::from_millis(sent_ms.saturating_sub(now_ms));
    behind <= CLOCKS && Duration::from_millis(now_ms.saturating_sub(sent_ms)) < LAG
}

fn diagnosis(page: &MessagePage) -> String {
    let last = page.job_messages.len().saturating_sub(DIAGNOSIS_MESSAGES);
    let texts: Vec<&str> = page.job_messages.iter().skip(last).map(|message| message.text.as_str()).collect();
    clean(&texts.join("\n"), DIAGNOSIS_BYTES)
}

/// Dataflow took the launch and does not show the job yet: nothing is known, and nothing has changed.
fn not_yet(job: &Job) -> Look {
    Look::Seen(Sighting {
        native_id: job.native_id.clone().unwrap_or_default(),
        runner_state: job.runner_state.clone().unwrap_or_else(|| UNSEEN.into()),
        diagnostics: "Dataflow took the launch and does not show the job yet".into(),
        ..Sighting::default()
    })
}

/// True for a job of ours that Dataflow took and has not shown since.
pub(super) fn is_unseen(job: &Job) -> bool {
    job.id.token().is_some() && job.runner_state.as_deref().is_none_or(|word| word == UNSEEN)
}

/// True where a summary does not speak against it: another label, or another job replaced.
fn may_be(answer: &JobAnswer, token: &str, replaces: Option<&str>) -> bool {
    let label = answer.labels.get(LABEL).is_none_or(|label| label == token);
    let other = Some(answer.replace_job_id.as_str()).filter(|id| !id.is_empty());
    label && (other.is_none() || other == replaces)
}

/// A job that replaced one of ours has its name, and is no job of ours by that.
fn token(answer: &JobAnswer) -> Option<String> {
    token_of_name(&answer.name).filter(|_| answer.replace_job_id.is_empty()).map(str::to_owned)
}

pub(super) fn sighting(answer: &JobAnswer, diagnostics: String) -> Sighting {
    let workers = answer.runtime_updatable_params.as_ref();
    Sighting {
        native_id: answer.id.clone(),
        token: token(answer),
        name: Some(clean_line(&answer.name, NAME_BYTES)),
        state: answer.state(),
        runner_state: clean_line(&answer.current_state, 64),
        job_type: job_type(&answer.r#type),
        started_ms: unix_ms(&answer.start_time).or(answer.created_ms()),
        ended_ms: unix_ms(&answer.current_state_time).filter(|_| answer.has_ended()),
        parallelism: workers.and_then(|workers| workers.max_num_workers),
        diagnostics,
        ..Sighting::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        effect::Reply,
        flow::{Flow, Now, Step},
        guard::Guard,
        job::JobType,
        random::{Branch, Seed},
        runner::{
            Backend, Context, Launches,
            dataflow::testing::{
                JOB, JOB_ALL, NAME, NATIVE, NOW_MS, Played, TOKEN, answer, job, play, refusal, target,
            },
        },
    };

    const NAMED: &str = "GET jobs?filter=ALL&name={name}&pageSize=200";

    fn look(job: Job, script: Vec<(&'static str, Reply)>) -> Played<Look> {
        play(target(), script, |it| async move { it.look(&job).await })
    }

    /// A launch of ours that nobody answered, `ago_ms` before now.
    fn unanswered(ago_ms: u64, replaces: Option<&str>) -> Job {
        let mut settings = json!({"name": NAME});
        if let Some(id) = replaces {
            settings["replaces"] = id.into();
        }
        let settings = serde_json::from_value(settings).unwrap();
        let submission = Some(crate::runner::Submission { settings, ..Default::default() });
        Job { native_id: None, submission: submission.map(Into::into), sent_ms: NOW_MS - ago_ms, ..job() }
    }

    fn named(jobs: impl serde::Serialize) -> (&'static str, Reply) {
        (NAMED, answer(200, json!({"jobs": jobs})))
    }

    fn id_of(played: Played<Look>) -> String {
        match played.end.unwrap() {
            Look::Seen(sighting) => sighting.native_id,
            Look::Absent => panic!("absent"),
        }
    }

    #[test]
    fn a_region_is_listed_page_by_page_and_a_job_of_ours_shows_its_token() {
        let first = "GET jobs?filter=ACTIVE&pageSize=200";
        let second = "GET jobs?filter=ACTIVE&pageSize=200&pageToken=p2";
        let ours = json!({"id": "1", "name": NAME, "type": "JOB_TYPE_STREAMING", "currentState": "JOB_STATE_RUNNING",
            "createTime": "2026-11-25T20:00:00.5Z"});
        let successor = json!({"id": "2", "name": NAME, "replaceJobId": "1", "currentState": "JOB_STATE_NEW"});
        let script = vec![
            (first, answer(200, json!({"jobs": [ours], "nextPageToken": "p2"}))),
            (second, answer(200, json!({"jobs": [successor]}))),
        ];
        let listed = play(target(), script, |it| async move { it.list().await }).end.unwrap();
        assert_eq!((listed[0].token.as_deref(), listed[0].job_type), (Some(TOKEN), Some(JobType::Streaming)));
        assert_eq!((listed[0].state, listed[0].started_ms), (Some(JobState::Running), Some(1_795_636_800_500)));
        assert_eq!((listed[1].token.as_deref(), listed[1].state), (None, None), "what replaced it is another job");
    }

    #[test]
    fn a_list_that_is_not_whole_is_no_list() {
        let failed = json!({"jobs": [{"id": "1"}], "failedLocation": [{"name": "us-central1"}]});
        let script = vec![("GET jobs?filter=ACTIVE&pageSize=200", answer(200, failed))];
        let listed = play(target(), script, |it| async move {
            // The last try: what is tested is the answer, not the patience.
            let deadline = it.context.io.now().mono + Duration::from_millis(250);
            Dataflow { context: Context { deadline, ..it.context } }.list().await
        });
        assert_eq!(listed.reason(), "region_failed");
    }

    /// Surprise of runners.md section 5: a job is not always shown right after its launch.
    #[test]
    fn not_found_right_after_the_launch_is_no_absence() {
        let missing = || vec![(JOB, refusal(404, "NOT_FOUND", "no"))];
        let Look::Seen(young) = look(job(), missing()).end.unwrap() else { panic!() };
        assert_eq!((young.native_id.as_str(), young.state), (NATIVE, None), "nothing changes");
        let old = Job { sent_ms: NOW_MS - 120_000, ..job() };
        assert_eq!(look(old, missing()).end.unwrap(), Look::Absent);
        let foreign = Job { id: crate::job::JobId::foreign("df", NATIVE), ..job() };
        assert_eq!(look(foreign, missing()).end.unwrap(), Look::Absent);
    }

    /// True while a job sent at `NOW_MS` counts as young, seconds later by the own clock and milliseconds by the wall.
    fn is_young(launched_here: bool, seconds: u64, wall_ms: u64) -> bool {
        let now = Now { mono: Duration::from_secs(1_000 + seconds), wall_ms };
        let mut flow = Flow::new(move |io| async move {
            let (guard, branch) = (Arc::new(Guard::new("df")), Branch::new(Seed::new([3; 32]), "test"));
            let (target, launches) = (Arc::new(target()), Arc::<Launches>::default());
            if launched_here {
                launches.note(TOKEN, Duration::from_secs(1_000));
            }
            let context = Context { io, guard, target, deadline: Duration::MAX, branch, launches };
            Ok(Dataflow::new(context).is_young(&job()))
        });
        match flow.step(now, None) {
            Step::Done(young) => young.unwrap(),
            Step::Effect(effect) => panic!("{effect:?}"),
        }
    }

    #[test]
    fn who_launched_a_job_tells_its_age_by_the_own_clock_wherever_the_wall_goes() {
        for wall_ms in [NOW_MS - 3_600_000, NOW_MS - 600_000, NOW_MS, NOW_MS + 600_000, NOW_MS + 3_600_000] {
            assert!(is_young(true, 0, wall_ms) && is_young(true, 119, wall_ms), "{wall_ms}");
            assert!(!is_young(true, 120, wall_ms), "{wall_ms}");
        }
    }

    #[test]
    fn others_have_only_the_wall_and_one_set_back_too_far_says_nothing() {
        const CLOCKS_MS: u64 = 15 * 60_000;
        for (wall_ms, young) in [
            (NOW_MS - CLOCKS_MS - 1, false),
            (NOW_MS - CLOCKS_MS, true),
            (NOW_MS, true),
            (NOW_MS + 119_999, true),
            (NOW_MS + 120_000, false),
        ] {
            assert_eq!(is_young(false, 0, wall_ms), young, "{wall_ms}");
        }
    }

    #[test]
    fn an_unanswered_launch_is_found_by_its_name_and_silence_counts_only_later() {
        let ended =
            json!({"id": "old", "name": NAME, "currentState": "JOB_STATE_DONE", "createTime": "2026-11-25T20:00:09Z"});
        let active = json!({"id": "new", "name": NAME, "currentState": "JOB_STATE_RUNNING", "createTime": "2026-11-25T20:00:01Z"});
        let other = json!({"id": "x", "name": "words", "currentState": "JOB_STATE_RUNNING"});
        let found = look(unanswered(1, None), vec![named(json!([other, ended, active]))]);
        assert_eq!(id_of(found), "new");
        let labelled = json!({"id": "x", "name": NAME, "labels": {"beam_mcp_job": "somebody-else"}});
        for jobs in [json!([]), json!([other]), json!([labelled])] {
            let young = look(unanswered(119_999, None), vec![named(jobs.clone())]);
            assert_eq!(young.reason(), "not_listed_yet");
            assert_eq!(look(unanswered(120_000, None), vec![named(jobs)]).end.unwrap(), Look::Absent);
        }
    }

    #[test]
    fn an_unanswered_update_is_found_by_its_label() {
        let replaced = json!({"id": "old", "name": NAME, "currentState": "JOB_STATE_UPDATED"});
        let by_other = json!({"id": "o", "name": NAME, "currentState": "JOB_STATE_RUNNING", "replaceJobId": "else"});
        let ours = json!({"id": NATIVE, "name": NAME, "currentState": "JOB_STATE_RUNNING", "replaceJobId": "old"});
        let mut whole = ours.clone();
        whole["labels"] = json!({"beam_mcp_job": TOKEN});
        let script = || vec![named(json!([by_other, ours])), (JOB_ALL, answer(200, whole.clone()))];
        assert_eq!(id_of(look(unanswered(1, Some("old")), script())), NATIVE);
        let old = "GET jobs/old?view=JOB_VIEW_ALL";
        let script = vec![named(json!([replaced])), (old, answer(200, replaced.clone()))];
        assert_eq!(look(unanswered(1, Some("old")), script).reason(), "not_listed_yet");
    }

    #[test]
    fn a_failed_job_tells_why_and_a_replaced_one_by_what() {
        let shown = |state: &str| {
            (
                JOB,
                answer(
                    200,
                    json!({"id": NATIVE, "currentState": state, "replacedByJobId": "next",
                "currentStateTime": "2026-11-25T20:00:05Z"}),
                ),
            )
        };
        let messages = json!({"jobMessages": [{"messageText": "Workflow failed.\u{1b}[31m"}]});
        let errors = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_ERROR&pageSize=200";
        let seen = |script| match look(job(), script).end.unwrap() {
            Look::Seen(sighting) => sighting,
            Look::Absent => panic!("absent"),
        };
        let failed = seen(vec![shown("JOB_STATE_FAILED"), (errors, answer(200, messages))]);
        assert_eq!((failed.diagnostics.as_str(), failed.ended_ms), ("Workflow failed.", Some(1_795_636_805_000)));
        let unsaid = seen(vec![shown("JOB_STATE_FAILED"), (errors, answer(500, json!({})))]);
        assert!(unsaid.diagnostics.contains("could not be read"));
        assert_eq!(seen(vec![shown("JOB_STATE_UPDATED")]).diagnostics, "replaced by the job next");
        let other = look(job(), vec![(JOB, answer(200, json!({"id": "another"})))]);
        assert_eq!(other.reason(), "malformed_response");
    }
}

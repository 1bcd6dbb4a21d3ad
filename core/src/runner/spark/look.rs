//! Listing drivers and looking at one: what the submission API says of it, joined with what the master shows.

use std::collections::BTreeMap;

use super::{
    Spark,
    response::{App, Driver, Master, Status},
    state::driver_state,
    stderr,
};
use crate::{
    error::Error,
    job::{Job, JobState, id::is_token},
    runner::{Look, Sighting, stack_trace::digest},
    text::clean_line,
};

/// What a waiting application waits for.
const WAITS: &str = "the driver runs, and its application waits for executors: no worker has the cores and memory each \
                     of them asks for";

impl Spark {
    /// Drivers the master shows; `tokens` are those of the jobs that are known to be theirs. Whose application waits for
    /// executors is told by its name. A driver of which that does not tell is left out: a look at it does.
    pub(super) async fn list_drivers(&self, tokens: &BTreeMap<String, String>) -> Result<Vec<Sighting>, Error> {
        let master = self.master().await?;
        let shown = |driver| {
            let is_known = |token: &str| tokens.values().any(|known| known == token);
            let waits = waits_by_name(&master, driver, tokens.get(&driver.id).map(String::as_str), is_known)?;
            let (state, text) =
                if waits { (Some(JobState::Pending), WAITS) } else { (driver_state(&driver.state), "") };
            Some(sighting(driver, state, text.to_owned()))
        };
        Ok(master.drivers().filter_map(shown).collect())
    }

    pub(super) async fn look_at(&self, job: &Job) -> Result<Look, Error> {
        let Some(id) = self.find_driver(job).await? else { return Ok(Look::Absent) };
        let (status, master) = self.status(&id).await?;
        let Some(word) = &status.driver_state else {
            // Only a master that is ALIVE, and shows no such driver, says so.
            let master = master?;
            return match master.driver(&id) {
                Some(driver) => Ok(Look::Seen(sighting(driver, driver_state(&driver.state), String::new()))),
                None => Ok(Look::Absent),
            };
        };
        let master = match master {
            Err(error) if error.gave_up() => return Err(error),
            other => other.ok(),
        };
        let (state, diagnostics) = self.joined(job, &id, &status, master.as_ref()).await?;
        let shown = master.as_ref().and_then(|master| master.driver(&id));
        let plain = Driver {
            id: id.clone(),
            starttime: 0,
            state: word.clone(),
            submitdate: String::new(),
            worker: String::new(),
            mainclass: String::new(),
        };
        let driver = Driver { state: word.clone(), ..shown.cloned().unwrap_or(plain) };
        Ok(Look::Seen(sighting(&driver, state, diagnostics)))
    }

    /// State of a driver, and what is to be said about it.
    async fn joined(
        &self,
        job: &Job,
        id: &str,
        status: &Status,
        master: Option<&Master>,
    ) -> Result<(Option<JobState>, String), Error> {
        let word = status.driver_state.as_deref().unwrap_or_default();
        let state = driver_state(word);
        match (word, master) {
            ("SUBMITTED", Some(master)) => Ok((state, queued(master))),
            ("RUNNING", Some(master)) if self.waits(master, job, id).await? => {
                Ok((Some(JobState::Pending), WAITS.to_owned()))
            }
            ("FAILED", master) => Ok((state, self.reason(master, id).await?)),
            (word, _) => {
                let text = status.message.as_deref().map(said).unwrap_or_default();
                Ok((state, if word == "ERROR" && text.is_empty() { LEFT.to_owned() } else { text }))
            }
        }
    }

    /// True when the driver's application waits for executors.
    async fn waits(&self, master: &Master, job: &Job, id: &str) -> Result<bool, Error> {
        let Some(driver) = master.driver(id) else { return Ok(false) };
        if let Some(waits) = waits_by_name(master, driver, Some(job.token()), |_| false) {
            return Ok(waits);
        }
        match self.application(master, job, id).await {
            Ok(app) => Ok(waiting(master).any(|waiting| Some(&waiting.id) == app.as_ref())),
            Err(error) if error.gave_up() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Why a driver failed: Spark does not say, its last words do.
    async fn reason(&self, master: Option<&Master>, id: &str) -> Result<String, Error> {
        let gone = "the driver failed, and Spark gives no reason; its log cannot be read: its worker is gone";
        let Some(master) = master else { return Ok(gone.to_owned()) };
        match self.driver_log(master, id, "stderr", None).await {
            Ok(Some(chunk)) => Ok(stderr::reason(&chunk.text)),
            Ok(None) => Ok(gone.to_owned()),
            Err(error) if error.gave_up() => Err(error),
            Err(error) => Ok(format!(
                "the driver failed, and Spark gives no reason; its log could not be read: {}",
                error.message()
            )),
        }
    }
}

/// Seen on 3.5.9: what a master says of a driver whose worker is gone is ERROR, and nothing else.
const LEFT: &str = "Spark ended the driver in state ERROR and does not say why: the worker it ran on is gone, and what it \
                    started there may still run";

/// What a message says, without what Spark puts before every one.
fn said(message: &str) -> String {
    digest(message.strip_prefix("Exception from the cluster:").unwrap_or(message))
}

fn waiting(master: &Master) -> impl Iterator<Item = &App> {
    master.activeapps.iter().filter(|app| app.state == "WAITING")
}

/// Whether the application of a driver waits, as far as names tell: that of a job of ours ends with its token, unless
/// its code sets another. `token` is that of the driver's job; `is_known` tells those of jobs with drivers of their own.
fn waits_by_name(
    master: &Master,
    driver: &Driver,
    token: Option<&str>,
    is_known: impl Fn(&str) -> bool,
) -> Option<bool> {
    let of_its_time = |app: &&App| app.starttime >= driver.starttime;
    let mut waiting = waiting(master).filter(of_its_time).peekable();
    if driver.state != "RUNNING" || waiting.peek().is_none() {
        return Some(false);
    }
    let is_its = |app: &App| token.is_some() && bearer(app) == token;
    let newest = master.activeapps.iter().filter(of_its_time).filter(|app| is_its(app)).max_by_key(|app| app.starttime);
    match newest {
        Some(app) => Some(app.state == "WAITING"),
        None => (token.is_some() && waiting.all(|app| bearer(app).is_some_and(&is_known))).then_some(false),
    }
}

/// The token in an application's name.
fn bearer(app: &App) -> Option<&str> {
    app.name.rsplit_once('-').map(|(_, token)| token).filter(|token| is_token(token))
}

fn queued(master: &Master) -> String {
    let free = master.cores.saturating_sub(master.coresused);
    let memory = master.memory.saturating_sub(master.memoryused);
    format!(
        "the driver waits for a worker with the cores and memory it asks for: {} alive, {free} cores and {memory} MiB \
         free on all of them together",
        match master.alive_workers() {
            1 => "1 worker is".to_owned(),
            count => format!("{count} workers are"),
        }
    )
}

fn sighting(driver: &Driver, state: Option<JobState>, diagnostics: String) -> Sighting {
    Sighting {
        native_id: driver.id.clone(),
        name: Some(clean_line(&driver.mainclass, super::flow::NAME_BYTES)).filter(|name| !name.is_empty()),
        state,
        runner_state: clean_line(&driver.state, 64),
        started_ms: Some(driver.starttime).filter(|ms| *ms > 0),
        diagnostics,
        ..Sighting::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            spark::testing::{self, DRIVER, fault, job, json, play, recorded, target, text},
        },
    };

    const STATUS: &str = "GET /v1/submissions/status/{id}";
    const MASTER: &str = "GET master/json/";

    fn look_at(driver: &str, script: Vec<(&str, Reply)>) -> testing::Played<Look> {
        let job = Job { native_id: Some(driver.to_owned()), ..job() };
        play(target(), script, |spark| async move { spark.look(&job).await })
    }

    fn look(script: Vec<(&str, Reply)>) -> testing::Played<Look> {
        look_at(DRIVER, script)
    }

    fn seen(played: testing::Played<Look>) -> Sighting {
        match played.end.unwrap() {
            Look::Seen(sighting) => sighting,
            Look::Absent => panic!("absent"),
        }
    }

    fn shown(driver: &str, script: Vec<(&str, Reply)>) -> (Option<JobState>, String, String) {
        let sighting = seen(look_at(driver, script));
        (sighting.state, sighting.runner_state, sighting.diagnostics)
    }

    #[test]
    fn a_running_driver_is_running() {
        let sighting =
            seen(look(vec![(STATUS, recorded!("3.5.9/status-running")), (MASTER, recorded!("3.5.9/master-running"))]));
        assert_eq!((sighting.state, sighting.runner_state.as_str()), (Some(JobState::Running), "RUNNING"));
        assert_eq!((sighting.native_id.as_str(), sighting.started_ms), (DRIVER, Some(1_795_636_720_864)));
        let newer = "GET /v1/submissions/status/driver-20261125200344-0001";
        let script = vec![(newer, recorded!("4.1.4/status-running")), (MASTER, recorded!("4.1.4/master-running"))];
        assert_eq!(shown("driver-20261125200344-0001", script).0, Some(JobState::Running));
        let alone = look(vec![(STATUS, recorded!("3.5.9/status-running")), (MASTER, fault(FaultKind::Timeout))]);
        assert_eq!(seen(alone).state, Some(JobState::Running), "the driver's word is enough");
    }

    #[test]
    fn a_driver_without_a_worker_says_what_it_waits_for() {
        let status = "GET /v1/submissions/status/driver-20261125195840-0001";
        let script = vec![(status, recorded!("3.5.9/status-submitted")), (MASTER, recorded!("3.5.9/master-queued"))];
        let (state, word, diagnostics) = shown("driver-20261125195840-0001", script);
        assert_eq!((state, word.as_str()), (Some(JobState::Pending), "SUBMITTED"));
        assert!(diagnostics.contains("1 worker is alive, 8 cores and 6144 MiB free"), "{diagnostics}");
    }

    /// The job whose application waits in what was recorded.
    fn second() -> Job {
        let id = crate::job::JobId::own("spark", "0bea0000000000000000000000000002");
        Job { id, native_id: Some("driver-20261125195928-0003".into()), ..job() }
    }

    #[test]
    fn an_application_of_another_name_is_found_by_the_drivers_log() {
        let Reply::Response(answer) = recorded!("3.5.9/master-waiting") else { panic!() };
        let mut unnamed: serde_json::Value = serde_json::from_slice(answer.body.as_slice()).unwrap();
        unnamed["activeapps"][1]["name"] = "their own".into();
        let log = "GET 8081/log/?driverId=driver-20261125195928-0003&logType=stderr&offset=0&byteLength=65536";
        let script = vec![
            ("GET /v1/submissions/status/driver-20261125195928-0003", recorded!("3.5.9/status-waiting")),
            (MASTER, json(200, unnamed)),
            (log, recorded!("3.5.9/driver-stderr-waiting")),
        ];
        let job = second();
        let played = play(target(), script, |spark| async move { spark.look(&job).await });
        assert_eq!(seen(played).state, Some(JobState::Pending));
    }

    /// Surprise 12 of runners.md section 9.
    #[test]
    fn a_driver_whose_application_waits_for_executors_is_pending() {
        let status = "GET /v1/submissions/status/driver-20261125195928-0003";
        let script = vec![(status, recorded!("3.5.9/status-waiting")), (MASTER, recorded!("3.5.9/master-waiting"))];
        let job = second();
        let sighting = seen(play(target(), script, |spark| async move { spark.look(&job).await }));
        assert_eq!((sighting.state, sighting.runner_state.as_str()), (Some(JobState::Pending), "RUNNING"));
        assert!(sighting.diagnostics.contains("waits for executors"), "{}", sighting.diagnostics);
        let other =
            look(vec![(STATUS, recorded!("3.5.9/status-running")), (MASTER, recorded!("3.5.9/master-waiting"))]);
        assert_eq!(seen(other).state, Some(JobState::Running), "the other driver's application does not wait");
    }

    /// Drivers that run, by what one list says of them, where these are the tokens of the jobs that are known.
    fn listed(master: Reply, tokens: &[(&str, &str)]) -> Vec<(String, Option<JobState>)> {
        let tokens = tokens.iter().map(|(driver, token)| ((*driver).to_owned(), (*token).to_owned())).collect();
        let list = play(target(), vec![(MASTER, master)], |spark| async move { spark.list_known(&tokens).await });
        let running = list.end.unwrap().into_iter().filter(|sighting| sighting.runner_state == "RUNNING");
        running.map(|sighting| (sighting.native_id, sighting.state)).collect()
    }

    #[test]
    fn one_list_tells_whose_application_waits() {
        let (first, second) = (DRIVER, "driver-20261125195928-0003");
        let (one, two) = (testing::TOKEN, "0bea0000000000000000000000000002");
        let (runs, waits) = (Some(JobState::Running), Some(JobState::Pending));
        let all = listed(recorded!("3.5.9/master-waiting"), &[(first, one), (second, two)]);
        assert_eq!(all, [(first.to_owned(), runs), (second.to_owned(), waits)]);
        let theirs = listed(recorded!("3.5.9/master-waiting"), &[(first, first), (second, two)]);
        assert_eq!(theirs[0], (first.to_owned(), runs), "what waits is a job of ours, and not that of others");
        let adopted = listed(recorded!("3.5.9/master-waiting"), &[(second, first)]);
        assert_eq!(adopted, [], "what waits may be it under the token of an earlier generation");
        assert_eq!(listed(recorded!("3.5.9/master-waiting"), &[]), [], "whose a driver is must be known");
        let Reply::Response(answer) = recorded!("3.5.9/master-waiting") else { panic!() };
        let mut unnamed: serde_json::Value = serde_json::from_slice(answer.body.as_slice()).unwrap();
        unnamed["activeapps"][1]["name"] = "their own".into();
        let left = listed(json(200, unnamed), &[(first, one), (second, two)]);
        assert_eq!(left, [(first.to_owned(), runs)], "the second is looked at by itself");
    }

    /// Surprise 11 of runners.md section 9: the master shows every one of these applications as FINISHED.
    #[test]
    fn a_finished_application_of_a_failed_driver_is_failed() {
        let Reply::Response(answer) = recorded!("3.5.9/master-ended") else { panic!() };
        let master: Master = serde_json::from_slice(answer.body.as_slice()).unwrap();
        assert!(master.completedapps.iter().all(|app| app.state == "FINISHED"));
        let failed = "driver-20261125200015-0005";
        let script = vec![
            ("GET /v1/submissions/status/driver-20261125200015-0005", recorded!("3.5.9/status-failed")),
            (MASTER, recorded!("3.5.9/master-ended")),
            (
                "GET 8081/log/?driverId=driver-20261125200015-0005&logType=stderr&byteLength=65536",
                recorded!("3.5.9/stderr-tail-fails"),
            ),
        ];
        let (state, word, diagnostics) = shown(failed, script);
        assert_eq!((state, word.as_str()), (Some(JobState::Failed), "FAILED"));
        assert!(diagnostics.contains("ratejob: told to fail at 3"), "{diagnostics}");
        let list =
            play(target(), vec![(MASTER, recorded!("3.5.9/master-ended"))], |spark| async move { spark.list().await });
        let states: Vec<_> = list.end.unwrap().into_iter().map(|sighting| sighting.state.unwrap()).collect();
        let expected = [
            JobState::Canceled,
            JobState::Canceled,
            JobState::Canceled,
            JobState::Finished,
            JobState::Canceled,
            JobState::Failed,
            JobState::Failed,
            JobState::Failed,
            JobState::Failed,
        ];
        assert_eq!(states[..9], expected);
    }

    #[test]
    fn an_error_of_the_cluster_is_a_failure_with_its_message() {
        let script = vec![
            ("GET /v1/submissions/status/driver-20261125200112-0008", recorded!("3.5.9/status-error")),
            (MASTER, recorded!("3.5.9/master-ended")),
        ];
        let (state, word, diagnostics) = shown("driver-20261125200112-0008", script);
        assert_eq!((state, word.as_str()), (Some(JobState::Failed), "ERROR"));
        assert!(diagnostics.contains("NoSuchFileException: …/nope.jar"), "{diagnostics}");
        assert!(!diagnostics.contains("/srv"), "{diagnostics}");
        let silent = serde_json::json!({"driverState": "ERROR", "success": true});
        let script = vec![(STATUS, json(200, silent)), (MASTER, recorded!("3.5.9/master-ended"))];
        assert_eq!(seen(look(script)).diagnostics, LEFT);
    }

    #[test]
    fn a_failure_whose_log_is_gone_says_so() {
        let log = "GET 8081/log/?driverId=driver-20261125200015-0005&logType=stderr&byteLength=65536";
        for (answer, said) in [
            (recorded!("3.5.9/log-unknown"), "its worker is gone"),
            (fault(FaultKind::Timeout), "did not answer in time"),
        ] {
            let script = vec![
                ("GET /v1/submissions/status/driver-20261125200015-0005", recorded!("3.5.9/status-failed")),
                (MASTER, recorded!("3.5.9/master-ended")),
                (log, answer),
            ];
            let (state, _, diagnostics) = shown("driver-20261125200015-0005", script);
            assert_eq!(state, Some(JobState::Failed));
            assert!(diagnostics.contains(said), "{diagnostics}");
        }
    }

    /// Surprise 10 of runners.md section 9.
    #[test]
    fn only_a_master_that_is_alive_makes_a_driver_absent() {
        for (unknown, master) in [
            (recorded!("3.5.9/status-unknown"), recorded!("3.5.9/master-idle")),
            (recorded!("4.1.4/status-unknown"), recorded!("3.5.9/master-idle")),
        ] {
            assert_eq!(look(vec![(STATUS, unknown), (MASTER, master)]).end.unwrap(), Look::Absent);
        }
        let shown =
            look(vec![(STATUS, recorded!("3.5.9/status-unknown")), (MASTER, recorded!("3.5.9/master-running"))]);
        assert_eq!(seen(shown).state, Some(JobState::Running), "the page shows it: a restart is not over");
        let down = look(vec![(STATUS, recorded!("3.5.9/status-unknown")), (MASTER, fault(FaultKind::Refused))]);
        assert_eq!(down.reason(), "connection_refused");
        let standby = serde_json::json!({
            "action": "SubmissionStatusResponse", "success": false,
            "message": "Exception from the cluster:\njava.lang.Exception: Current state is not alive: STANDBY."
        });
        let script: Vec<_> =
            (0..4).flat_map(|_| [(STATUS, json(200, &standby)), (MASTER, recorded!("3.5.9/master-idle"))]).collect();
        assert_eq!(look(script).reason(), "master_not_alive");
        let Reply::Response(idle) = recorded!("3.5.9/master-idle") else { panic!() };
        let mut idle: serde_json::Value = serde_json::from_slice(idle.body.as_slice()).unwrap();
        idle["status"] = "RECOVERING".into();
        let recovering = look(vec![(STATUS, recorded!("3.5.9/status-unknown")), (MASTER, json(200, idle))]);
        assert_eq!(recovering.reason(), "master_not_alive");
    }

    #[test]
    fn a_word_nobody_knows_changes_nothing() {
        let unknown = serde_json::json!({"driverState": "UNKNOWN", "success": true, "message": "x"});
        let script = vec![(STATUS, json(200, unknown)), (MASTER, recorded!("3.5.9/master-running"))];
        let sighting = seen(look(script));
        assert_eq!((sighting.state, sighting.runner_state.as_str()), (None, "UNKNOWN"));
    }

    #[test]
    fn what_is_no_spark_is_no_answer() {
        for master in [text(200, "<html>"), json(200, serde_json::json!({"status": "ALIVE"})), text(302, "")] {
            let list = play(target(), vec![(MASTER, master)], |spark| async move { spark.list().await });
            assert_eq!(list.reason(), "malformed_response");
        }
    }
}

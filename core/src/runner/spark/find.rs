//! Whose a driver is: the marker in its launch command.

use super::{
    Spark,
    flow::driver_id,
    response::{Driver, Master},
    state::driver_state,
    stderr::{has_command, token},
};
use crate::{
    error::{Error, ErrorKind},
    job::{Job, JobState},
    runner::{Bearer, Sighting},
};

/// Clocks of this server and of the master may be this far apart.
const SKEW_MS: u64 = 5 * 60 * 1000;
/// Drivers read for one submission that nobody can explain.
const MOST: usize = 32;

impl Spark {
    /// The driver of a job, searched for where Spark's answer to its submission was lost. `None`: none of the master's
    /// drivers bears its token.
    ///
    /// # Errors
    /// `unavailable`, reason `driver_unreadable`, while one that runs or waits may be it and cannot be read.
    pub(super) async fn find_driver(&self, job: &Job) -> Result<Option<String>, Error> {
        if let Some(id) = driver_id(job) {
            return Ok(Some(id.to_owned()));
        }
        let master = self.master().await?;
        let candidates = candidates(&master, job);
        if candidates.len() > MOST {
            return Err(unreadable("too many drivers may be the one that was sent"));
        }
        let mut unread = None;
        for driver in candidates {
            match self.marked(&master, driver).await? {
                Bearer::Token(token) if token == job.token() => return Ok(Some(driver.id.clone())),
                Bearer::Unreadable if runs(driver) => unread = Some(driver),
                Bearer::Token(_) | Bearer::Nothing | Bearer::Unreadable => {}
            }
        }
        let worded = |driver: &Driver| unreadable(format!("{} may be the driver that was sent", driver.id));
        unread.map_or(Ok(None), |driver| Err(worded(driver)))
    }

    pub(super) async fn bearer_of(&self, sighting: &Sighting) -> Result<Bearer, Error> {
        let master = self.master().await?;
        match master.driver(&sighting.native_id) {
            Some(driver) => match self.marked(&master, driver).await? {
                Bearer::Unreadable if !runs(driver) => Ok(Bearer::Nothing),
                bearer => Ok(bearer),
            },
            None => Ok(Bearer::Nothing),
        }
    }

    /// What a driver's launch command says.
    async fn marked(&self, master: &Master, driver: &Driver) -> Result<Bearer, Error> {
        match self.driver_log(master, &driver.id, "stderr", Some(0)).await {
            Ok(Some(chunk)) if has_command(&chunk.text) => {
                Ok(token(&chunk.text).map_or(Bearer::Nothing, |token| Bearer::Token(token.to_owned())))
            }
            Err(error) if error.gave_up() => Err(error),
            Ok(_) | Err(_) => Ok(Bearer::Unreadable),
        }
    }
}

fn unreadable(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, "driver_unreadable", what).suggest(
        "wait until it has a worker; ask the operator to add its worker's host to the target's `worker_hosts`; or look \
         at the driver's launch command yourself, then `adopt` or `abandon` the job",
    )
}

fn runs(driver: &Driver) -> bool {
    !driver_state(&driver.state).is_some_and(JobState::is_terminal)
}

/// Drivers that came with or after the intent and run the same class, the oldest first.
fn candidates<'a>(master: &'a Master, job: &Job) -> Vec<&'a Driver> {
    let since = job.intended_ms.saturating_sub(SKEW_MS);
    let class = job.submission.as_ref().and_then(|submission| submission.settings.get("main_class"));
    let class = class.and_then(serde_json::Value::as_str);
    let fits = |driver: &&Driver| driver.starttime >= since && class.is_none_or(|class| driver.mainclass == class);
    let mut drivers: Vec<&Driver> = master.drivers().filter(fits).collect();
    drivers.sort_by_key(|driver| driver.starttime);
    drivers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend, Look, Submission,
            spark::testing::{self, DRIVER, TOKEN, fault, job, play, recorded, target},
        },
    };

    const MASTER: &str = "GET master/json/";
    const OURS: &str = "GET 8081/log/?driverId={id}&logType=stderr&offset=0&byteLength=65536";
    const OLDER: &str = "GET 8081/log/?driverId=driver-20261125195627-0000&logType=stderr&offset=0&byteLength=65536";
    const OTHERS: &str = "GET 8081/log/?driverId=driver-20261125195928-0003&logType=stderr&offset=0&byteLength=65536";

    /// A submission whose answer was lost.
    fn lost() -> Job {
        let settings = serde_json::json!({"main_class": "org.beammcp.examples.SparkRateJob"});
        let submission = Submission { settings: serde_json::from_value(settings).unwrap(), ..Submission::default() };
        Job { native_id: None, submission: Some(submission.into()), intended_ms: 1_795_636_720_000, ..job() }
    }

    fn find(job: Job, script: Vec<(&str, Reply)>) -> testing::Played<Option<String>> {
        play(target(), script, |spark| async move { spark.find_driver(&job).await })
    }

    /// A driver that has ended and left no log is not it. One that was killed before it had a worker is not asked for.
    #[test]
    fn a_lost_submission_is_found_by_its_marker() {
        let found = find(
            lost(),
            vec![
                (MASTER, recorded!("3.5.9/master-waiting")),
                (OLDER, recorded!("3.5.9/log-unknown")),
                (OURS, recorded!("3.5.9/driver-stderr-head")),
            ],
        );
        assert_eq!(found.end.unwrap().as_deref(), Some(DRIVER));
        let known = find(job(), vec![]);
        assert_eq!(known.end.unwrap().as_deref(), Some(DRIVER), "what is known is not searched for");
    }

    #[test]
    fn a_submission_that_no_driver_bears_is_absent() {
        let mut other = lost();
        other.id = crate::job::JobId::own("spark", &"e".repeat(32));
        let absent = play(
            target(),
            vec![
                (MASTER, recorded!("3.5.9/master-waiting")),
                (OLDER, recorded!("3.5.9/log-unknown")),
                (OURS, recorded!("3.5.9/driver-stderr-head")),
                (OTHERS, recorded!("3.5.9/driver-stderr-waiting")),
            ],
            |spark| async move { spark.look(&other).await },
        );
        assert_eq!(absent.end.unwrap(), Look::Absent);
        for later in [
            Job { intended_ms: 1_795_646_720_000, ..lost() },
            Job {
                submission: Some(Submission { settings: class("org.example.Other"), ..Submission::default() }.into()),
                ..lost()
            },
        ] {
            let played = find(later, vec![(MASTER, recorded!("3.5.9/master-waiting"))]);
            assert_eq!(played.end.unwrap(), None, "older drivers and other classes are not read");
        }
    }

    fn class(name: &str) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_value(serde_json::json!({"main_class": name})).unwrap()
    }

    #[test]
    fn a_driver_that_runs_and_cannot_be_read_leaves_it_open() {
        for answer in [fault(FaultKind::Timeout), recorded!("3.5.9/log-unknown")] {
            let unread = find(
                lost(),
                vec![
                    (MASTER, recorded!("3.5.9/master-waiting")),
                    (OLDER, recorded!("3.5.9/log-unknown")),
                    (OURS, answer),
                    (OTHERS, recorded!("3.5.9/driver-stderr-waiting")),
                ],
            );
            assert_eq!(unread.reason(), "driver_unreadable");
        }
        let queued =
            find(lost(), vec![(MASTER, recorded!("3.5.9/master-queued")), (OLDER, recorded!("3.5.9/log-unknown"))]);
        assert_eq!(queued.reason(), "driver_unreadable", "a driver without a worker has written nothing yet");
    }

    #[test]
    fn a_listed_driver_is_ours_when_it_bears_a_token() {
        let sighting = Sighting {
            native_id: DRIVER.into(),
            state: Some(JobState::Running),
            runner_state: "RUNNING".into(),
            ..Sighting::default()
        };
        for (log, expected) in [
            (recorded!("3.5.9/driver-stderr-head"), Bearer::Token(TOKEN.into())),
            (testing::text(200, "==== Bytes 0-24 of 24 of /x ====\nLaunch Command: \"java\"\n"), Bearer::Nothing),
            (testing::text(200, "==== Bytes 0-0 of 0 of /x ====\n"), Bearer::Unreadable),
            (fault(FaultKind::Refused), Bearer::Unreadable),
        ] {
            let sighting = sighting.clone();
            let script = vec![(MASTER, recorded!("3.5.9/master-running")), (OURS, log)];
            let played = play(target(), script, |spark| async move { spark.bearer(&sighting).await });
            assert_eq!(played.end.unwrap(), expected);
        }
    }
}

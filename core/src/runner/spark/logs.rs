//! A job's log: what its driver and its executors wrote, read by byte ranges from the workers.
//!
//! Each log belongs to this job alone. Without a page token a page begins 64 KiB before the end of each log; the token
//! `start` begins at the first byte. Lines of several logs are merged by their times, so a page ends where one log has
//! to be read on.

use super::{
    Spark, address,
    application::text,
    log_page::{Cursor, Merge, Source},
    page,
    request::{self, Log, Writer},
    response::Master,
    stderr,
};
use crate::{
    error::Error,
    job::{Job, LogPage, LogQuery},
};

/// Times each log is read on for one page, so that a filter that drops everything ends.
const MOST_ROUNDS: usize = 4;

impl Spark {
    pub(super) async fn log_page(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        let cursor = Cursor::of(query.page_token.as_deref())?;
        let Some(driver) = self.find_driver(job).await? else {
            return Err(Error::not_found("driver_not_found", "the master shows no driver of this job"));
        };
        let master = self.master().await?;
        let mut notes = Vec::new();
        let logs = self.logs_of(&master, job, &driver, &mut notes).await?;
        let mut merge = Merge::new(job, &master, &driver, logs, &cursor);
        merge.notes = notes;
        for _ in 0..MOST_ROUNDS {
            self.read_on(&mut merge).await?;
            if merge.take(query) {
                break;
            }
        }
        Ok(merge.page())
    }

    /// The driver's logs and its executors', each with its worker's page.
    async fn logs_of(
        &self,
        master: &Master,
        job: &Job,
        driver: &str,
        notes: &mut Vec<String>,
    ) -> Result<Vec<(String, Log)>, Error> {
        let mut logs = Vec::new();
        match master.driver(driver).and_then(|shown| master.worker_page(&shown.worker)) {
            Some(worker) => logs.extend(
                ["stderr", "stdout"]
                    .map(|stream| (worker.to_owned(), Log { writer: Writer::Driver(driver.to_owned()), stream })),
            ),
            None => notes.push("the driver's log cannot be read: it has no worker (yet), or its worker is gone".into()),
        }
        match self.executors_logs(master, job, driver).await {
            Ok(more) => logs.extend(more),
            Err(error) if error.gave_up() => return Err(error),
            Err(error) => notes.push(format!("the executors' logs could not be found: {}", error.message())),
        }
        let admitted = |(worker, log): (String, Log)| match address::admitted(&self.context.target, &worker) {
            Ok(worker) => Some((worker, log)),
            Err(error) => {
                notes.push(format!("a log is left out: {}; {}", error.message(), error.suggestion()));
                None
            }
        };
        Ok(logs.into_iter().filter_map(admitted).collect())
    }

    async fn executors_logs(&self, master: &Master, job: &Job, driver: &str) -> Result<Vec<(String, Log)>, Error> {
        let Some(app) = self.application(master, job, driver).await? else { return Ok(Vec::new()) };
        let html = self.read(request::application_request(&self.context.target, &app), text).await?;
        Ok(page::executor_logs(&html, &app))
    }

    /// Reads on in every log whose lines at hand are used up.
    async fn read_on(&self, merge: &mut Merge) -> Result<(), Error> {
        let target = &self.context.target;
        let wanted: Vec<usize> = merge.wanting();
        let request = |source: &Source| {
            request::log_request(target, &source.worker, &source.log, source.next, request::LOG_BYTES)
        };
        let requests = wanted.iter().filter_map(|at| merge.sources.get(*at)).map(request).collect();
        let answers = self.context.send_all_aside(requests).await?;
        for (at, answer) in wanted.into_iter().zip(answers) {
            let chunk = answer.and_then(|answer| stderr::chunk(&answer));
            merge.add(at, chunk);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        job::Severity,
        runner::{
            Backend,
            spark::testing::{self, fault, job, play, recorded, target, text},
        },
    };

    const MASTER: &str = "GET master/json/";
    const APP: &str = "app-20261125195851-0001";
    const HEAD: &str = "GET 8081/log/?driverId={id}&logType=stderr&offset=0&byteLength=65536";
    const PAGE: &str = "GET master/app/?appId=app-20261125195851-0001";

    fn driver(stream: &str, rest: &str) -> String {
        format!("GET 8081/log/?driverId={{id}}&logType={stream}{rest}&byteLength=65536")
    }

    fn executor(stream: &str, rest: &str) -> String {
        format!("GET 8081/log/?appId={APP}&executorId=0&logType={stream}{rest}&byteLength=65536")
    }

    /// A part of a log as a worker sends it.
    fn part(from: usize, size: usize, body: &str) -> Reply {
        text(200, &format!("==== Bytes {from}-{} of {size} of /srv/x/stderr ====\n{body}", from + body.len()))
    }

    fn logs(query: LogQuery, logs: Vec<(String, Reply)>) -> testing::Played<LogPage> {
        let mut script = vec![
            (MASTER.to_owned(), recorded!("3.5.9/master-running")),
            (HEAD.to_owned(), recorded!("3.5.9/driver-stderr-head")),
            (PAGE.to_owned(), recorded!("3.5.9/app-page-running")),
        ];
        script.extend(logs);
        let script = script.iter().map(|(call, answer)| (call.as_str(), answer.clone())).collect();
        play(target(), script, |spark| async move { spark.logs(&job(), &query).await })
    }

    fn all() -> LogQuery {
        LogQuery { max_results: 100, ..LogQuery::default() }
    }

    fn messages(page: &LogPage) -> Vec<&str> {
        page.logs.iter().map(|entry| entry.message.lines().next().unwrap().rsplit(": ").next().unwrap()).collect()
    }

    const DRIVER_LOG: &str = "Launch Command: \"java\" \"-Dspark.hadoop.fs.s3a.secret.key=SECRET\"\n\
        ========================================\n\n26/11/25 19:58:44 INFO A: one\n26/11/25 19:58:46 WARN B: three\n\tat x\n";
    const EXECUTOR_LOG: &str = "26/11/25 19:58:45 INFO C: two\n26/11/25 19:58:47 ERROR D: four\n";

    fn tails() -> Vec<(String, Reply)> {
        vec![
            (driver("stderr", ""), part(0, DRIVER_LOG.len(), DRIVER_LOG)),
            (driver("stdout", ""), part(0, 4, "out\n")),
            (executor("stdout", ""), part(0, 0, "")),
            (executor("stderr", ""), part(0, EXECUTOR_LOG.len(), EXECUTOR_LOG)),
        ]
    }

    #[test]
    fn lines_of_driver_and_executors_are_merged_by_time_and_secrets_stay() {
        let played = logs(all(), tails());
        assert!(played.requests[3..].iter().all(|request| request.credential.is_none()));
        let page = played.end.unwrap();
        assert_eq!(messages(&page)[1..], ["out", "one", "two", "three", "four"]);
        assert!(page.logs.iter().all(|entry| !entry.message.contains("SECRET") && !entry.shared));
        let (three, four) = (&page.logs[4], &page.logs[5]);
        assert_eq!(three.timestamp.as_deref(), Some("2026-11-25T19:58:46.000Z"));
        assert!(three.message.ends_with("\n\tat x"), "{}", three.message);
        assert_eq!((four.severity, four.source.as_str()), (Severity::Error, "0-stderr"));
        assert_eq!(four.worker_id.as_deref(), Some("app-20261125195851-0001/0"));
        let token = page.next_page_token.unwrap();
        assert!(token.contains(&format!("driver-stderr.{}", DRIVER_LOG.len())), "{token}");
    }

    #[test]
    fn pages_join_without_a_gap_or_a_repetition() {
        let mut seen: Vec<String> = Vec::new();
        let (mut token, mut pages) = (Some("start".to_owned()), 0);
        while seen.len() < 6 {
            let at = |name: &str| -> usize {
                let parts = token.as_deref().unwrap_or_default().split('_');
                let mut offsets = parts.filter_map(|part| part.split_once('.'));
                offsets.find(|(other, _)| *other == name).map_or(0, |(_, offset)| offset.parse().unwrap())
            };
            let rest = |name: &str, text: &str, call: fn(&str, &str) -> String, stream: &str| {
                let from = at(name);
                (call(stream, &format!("&offset={from}")), part(from, text.len(), &text[from..]))
            };
            let script = vec![
                rest("driver-stderr", DRIVER_LOG, driver, "stderr"),
                rest("driver-stdout", "out\n", driver, "stdout"),
                rest("0-stdout", "", executor, "stdout"),
                rest("0-stderr", EXECUTOR_LOG, executor, "stderr"),
            ];
            let query = LogQuery { max_results: 2, page_token: token.clone(), ..LogQuery::default() };
            let page = logs(query, script).end.unwrap();
            seen.extend(messages(&page).into_iter().map(str::to_owned));
            (token, pages) = (page.next_page_token, pages + 1);
        }
        assert_eq!((pages, &seen[1..]), (3, ["out", "one", "two", "three", "four"].map(str::to_owned).as_slice()));
    }

    /// A log of which one part holds the first two lines, and cuts the third.
    #[test]
    fn a_log_is_read_on_where_a_part_ends() {
        let (first, second) = ("26/11/25 19:58:44 INFO A: one\n26/11/25 19:58:45 INFO A: two\n26/11/2", "x");
        let size = 1000;
        let rest = "26/11/25 19:58:45 INFO A: two\n26/11/25 19:58:46 INFO A: three\n";
        let offset = first.find("26/11/25 19:58:45").unwrap();
        let query = LogQuery { page_token: Some("start".into()), contains: Some("three".into()), ..all() };
        let page = logs(
            query,
            vec![
                (driver("stderr", "&offset=0"), part(0, size, first)),
                (driver("stdout", "&offset=0"), recorded!("3.5.9/log-unknown")),
                (executor("stdout", "&offset=0"), fault(FaultKind::Timeout)),
                (executor("stderr", "&offset=0"), part(0, 0, "")),
                (driver("stderr", &format!("&offset={offset}")), part(offset, offset + rest.len(), rest)),
            ],
        );
        let page = page.end.unwrap();
        assert_eq!(messages(&page), ["three"], "{second}");
        assert!(page.notes.iter().any(|note| note.contains("0-stdout could not be read")), "{:?}", page.notes);
    }

    #[test]
    fn a_tail_says_that_it_is_one() {
        let mut cut = tails();
        cut[0].1 = part(5000, 5000 + DRIVER_LOG.len(), DRIVER_LOG);
        let page = logs(all(), cut).end.unwrap();
        assert_eq!(messages(&page), ["out", "one", "two", "three", "four"], "the first line is a broken one");
        assert!(page.notes.iter().any(|note| note.contains("`start` reads it from its beginning")), "{:?}", page.notes);
        let bad = LogQuery { page_token: Some("x".into()), ..all() };
        let played = play(target(), vec![], |spark| async move { spark.logs(&job(), &bad).await });
        assert_eq!(played.reason(), "bad_page_token");
    }

    #[test]
    fn a_worker_elsewhere_is_not_read() {
        let Reply::Response(answer) = recorded!("3.5.9/master-running") else { panic!() };
        let Reply::Response(page) = recorded!("3.5.9/app-page-running") else { panic!() };
        let [master, page] =
            [answer, page].map(|answer| answer.body.text().replace("http://127.0.0.1:8081", "http://169.254.169.254"));
        let script = vec![(MASTER, text(200, &master)), (PAGE, text(200, &page))];
        let page = play(target(), script, |spark| async move { spark.logs(&job(), &all()).await }).end.unwrap();
        assert_eq!((page.logs.len(), page.next_page_token.is_some()), (0, true));
        assert!(page.notes.iter().any(|note| note.contains("worker_hosts")), "{:?}", page.notes);
    }
}

//! A job's log: its exceptions, and what the processes it runs in wrote while it ran.
//!
//! Flink's log files belong to processes, so in a session cluster they mix jobs; such lines are marked `shared`. There
//! are no ranges either: the host streams a file and keeps its last 256 KiB. Who follows is told what a file says behind
//! the place where the page before ended: lines of standard output have no time to go by.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    Flink,
    exception::Exceptions,
    flow::{native_id, parsed},
    job_details::JobDetails,
    log_cursor::{Cursor, Tail},
    log_page::{Gathered, named, writer},
    request::{self, Process},
    response::Config,
    subtask::VertexTaskManagers,
};
use crate::{
    effect::Response,
    error::Error,
    job::{Job, LogPage, LogQuery},
};

/// Exceptions read of one job.
const MOST_EXCEPTIONS: u32 = 20;
/// Vertices asked for their task managers.
const MOST_VERTICES: usize = 60;
/// Task managers whose logs are read.
const MOST_PROCESSES: usize = 8;
/// Files read of one process.
const MOST_FILES: usize = 2;
/// Largest file that is streamed for its tail.
const FILE_BYTES: u64 = 64 << 20;
/// Answer of `…/logs`.
#[derive(Deserialize)]
struct LogFiles {
    logs: Vec<LogFile>,
}

#[derive(Clone, Deserialize)]
pub(super) struct LogFile {
    pub(super) name: String,
    pub(super) size: u64,
    #[serde(default)]
    mtime: u64,
}

impl Flink {
    pub(super) async fn log_page(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        let (target, id) = (&self.context.target, native_id(job)?);
        let after = Cursor::of(query.page_token.as_deref())?;
        let others = vec![request::exceptions_request(target, id, MOST_EXCEPTIONS), request::config_request(target)];
        let (details, beside) = self.details(job, others).await?;
        let mut outcomes = beside.into_iter();
        let exceptions = parsed::<Exceptions>(outcomes.next());
        let are_more = exceptions.as_ref().is_ok_and(Exceptions::are_more);
        let offset_ms = parsed::<Config>(outcomes.next()).map_or(0, |config| config.timezone_offset);
        let mut gathered = Gathered::new(job, &details, offset_ms, after);
        gathered.add_exceptions(exceptions.map(|exceptions| exceptions.list()), are_more);
        self.gather_files(&details, &mut gathered).await?;
        Ok(gathered.page(query))
    }

    async fn gather_files(&self, details: &JobDetails, gathered: &mut Gathered) -> Result<(), Error> {
        let processes = self.processes(details, gathered).await?;
        let files = self.files(&processes, gathered).await?;
        let target = &self.context.target;
        let request = |(process, file): &(Process, LogFile)| request::log_tail_request(target, process, &file.name);
        let tails = self.send_all(files.iter().map(request).collect()).await?;
        for ((process, file), tail) in files.iter().zip(tails) {
            match tail {
                Ok(tail) if tail.status == 200 => {
                    let size = whole(&tail, file);
                    gathered.add_file(process, file, Tail::new(tail.body, size));
                }
                _ => gathered.notes.push(format!("{} of {} could not be read", named(&file.name), writer(process))),
            }
        }
        Ok(())
    }

    /// The `JobManager` and the task managers the job's subtasks are on.
    async fn processes(&self, details: &JobDetails, gathered: &mut Gathered) -> Result<Vec<Process>, Error> {
        let target = &self.context.target;
        let vertices = details.vertices.iter().take(MOST_VERTICES);
        let requests = vertices.map(|vertex| request::vertex_taskmanagers_request(target, &details.jid, &vertex.id));
        let outcomes = self.send_all(requests.collect()).await?;
        let managers = outcomes.into_iter().filter_map(|outcome| parsed::<VertexTaskManagers>(Some(outcome)).ok());
        let ids: BTreeSet<String> = managers.flat_map(VertexTaskManagers::ids).collect();
        if ids.len() > MOST_PROCESSES {
            gathered.notes.push(format!("only {MOST_PROCESSES} of the job's {} task managers are read", ids.len()));
        }
        let managers = ids.into_iter().take(MOST_PROCESSES).map(Process::TaskManager);
        Ok(std::iter::once(Process::JobManager).chain(managers).collect())
    }

    async fn files(&self, processes: &[Process], gathered: &mut Gathered) -> Result<Vec<(Process, LogFile)>, Error> {
        let target = &self.context.target;
        let requests = processes.iter().map(|process| request::log_list_request(target, process)).collect();
        let mut files = Vec::new();
        for (process, outcome) in processes.iter().zip(self.send_all(requests).await?) {
            let Ok(listing) = parsed::<LogFiles>(Some(outcome)) else {
                gathered.notes.push(format!("{} is gone, and its log with it", writer(process)));
                continue;
            };
            let (chosen, left) = chosen(process, listing.logs);
            if let Some(first) = left.first() {
                let (count, whose) = (left.len(), writer(process));
                gathered.notes.push(format!("{count} other log files of {whose} are not read: {first}, …"));
            }
            if chosen.is_empty() {
                gathered.notes.push(format!("{} keeps no log file that Flink can show", writer(process)));
            }
            let (small, large): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|file| file.size <= FILE_BYTES);
            gathered.notes.extend(large.iter().map(|file| too_large(process, file)));
            files.extend(small.into_iter().map(|file| (process.clone(), file)));
        }
        Ok(files)
    }
}

/// The newest current log files of a process, and the names of others that hold something; where both kinds of process
/// share a folder, only its own.
fn chosen(process: &Process, files: Vec<LogFile>) -> (Vec<LogFile>, Vec<String>) {
    let is_current = |name: &str| name.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "log" | "out"));
    let is_log = |name: &str| name.contains(".log") || name.contains(".out");
    let mut files: Vec<_> = files.into_iter().filter(|file| file.size > 0 && is_log(&file.name)).collect();
    let words: &[&str] = match process {
        Process::JobManager => &["jobmanager", "standalonesession", "jobmaster"],
        Process::TaskManager(_) => &["taskmanager", "taskexecutor"],
    };
    let own = |file: &LogFile| words.iter().any(|word| file.name.contains(word));
    if files.iter().any(own) {
        files.retain(own);
    }
    files.sort_by_key(|file| (!is_current(&file.name), std::cmp::Reverse(file.mtime)));
    let current = files.iter().take(MOST_FILES).filter(|file| is_current(&file.name)).count();
    let left = files.split_off(current);
    (files, left.iter().map(|file| named(&file.name)).collect())
}

/// How long a file is of which the end came. It may have grown since it was listed, so its own answer counts.
fn whole(tail: &Response, listed: &LogFile) -> u64 {
    let came = u64::try_from(tail.body.as_slice().len()).unwrap_or(u64::MAX);
    if came < request::LOG_TAIL_BYTES {
        return came;
    }
    let packed = tail.header("content-encoding").is_some_and(|how| how != "identity");
    let said = tail.header("content-length").filter(|_| !packed).and_then(|length| length.parse().ok());
    said.unwrap_or(listed.size).max(came)
}

fn too_large(process: &Process, file: &LogFile) -> String {
    let megabytes = file.size >> 20;
    format!("{} of {} has {megabytes} MiB, too much to read through Flink", named(&file.name), writer(process))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        effect::{FaultKind, Reply, Response},
        job::Severity,
        runner::{
            Backend,
            flink::testing::{Played, TOKEN, fault, job, json as answer, play, recorded, target},
        },
    };

    const TM: &str = "127.0.0.1:18084-6f7c67";

    /// A job that ran from 12:00:00 to 12:00:10 on 2026-11-20, in UTC.
    fn details(end_ms: i64) -> Reply {
        let state = if end_ms < 0 { "RUNNING" } else { "FINISHED" };
        answer(
            200,
            json!({"jid": TOKEN, "name": "x", "state": state, "start-time": 1_795_176_000_000_i64,
            "end-time": end_ms, "vertices": [{"id": "v", "name": "map", "parallelism": 1}]}),
        )
    }

    const START: [&str; 3] = ["GET /jobs/{id}", "GET /jobs/{id}/exceptions?maxExceptions=20", "GET /config"];
    const REST: [&str; 4] = [
        "GET /jobs/{id}/vertices/v/taskmanagers",
        "GET /jobmanager/logs",
        "GET /taskmanagers/127.0.0.1%3A18084-6f7c67/logs",
        "GET /taskmanagers/127.0.0.1%3A18084-6f7c67/logs/taskmanager.log",
    ];

    fn text(body: &str) -> Reply {
        Reply::Response(Response { status: 200, headers: vec![], body: body.into() })
    }

    fn exceptions() -> Reply {
        answer(
            200,
            json!({"exceptionHistory": {"entries": [
                {"stacktrace": "a.B: boom\n\tat a.b(/srv/x/C.java:1)", "timestamp": 1_795_176_005_000_i64, "taskName": "map"},
            ]}}),
        )
    }

    const LOG: &str = "2026-11-20 11:59:00,000 INFO  Other [] - before the job\n\
        2026-11-20 12:00:01,000 INFO  Task [] - one\n\
        2026-11-20 12:00:02,000 WARN  Task [] - two \u{1b}[31m\nstill two\n\
        2026-11-20 12:00:06,000 INFO  Task [] - three\n\
        2026-11-20 12:09:00,000 INFO  Other [] - after the job\n";

    fn script(end_ms: i64) -> Vec<(&'static str, Reply)> {
        vec![
            (START[0], details(end_ms)),
            (START[1], exceptions()),
            (START[2], recorded!("2.2.1/config")),
            (REST[0], recorded!("2.2.1/vertex-taskmanagers")),
            (REST[1], answer(200, json!({"logs": []}))),
            (REST[2], recorded!("2.2.1/taskmanager-logs")),
            (REST[3], text(LOG)),
        ]
    }

    fn logs(query: LogQuery, script: Vec<(&str, Reply)>) -> Played<LogPage> {
        play(target(), script, |flink| async move { flink.logs(&job(), &query).await })
    }

    fn all() -> LogQuery {
        LogQuery { max_results: 100, ..LogQuery::default() }
    }

    fn messages(page: &LogPage) -> Vec<&str> {
        page.logs
            .iter()
            .map(|entry| entry.message.lines().next().unwrap().rsplit(" - ").next().unwrap().trim())
            .collect()
    }

    #[test]
    fn exceptions_and_shared_lines_come_in_order_of_time() {
        let played = logs(all(), script(1_795_176_010_000));
        let tail = played.requests.last().unwrap();
        assert_eq!((tail.max_bytes, tail.tail, tail.timeout_ms), (256 << 10, true, 30_000));
        let page = played.end.unwrap();
        assert_eq!(messages(&page), ["one", "two", "a.B: boom", "three"]);
        let (line, exception) = (&page.logs[1], &page.logs[2]);
        assert_eq!((line.severity, line.shared, line.source.as_str()), (Severity::Warn, true, "taskmanager.log"));
        assert_eq!(line.timestamp.as_deref(), Some("2026-11-20T12:00:02.000Z"));
        assert_eq!((line.worker_id.as_deref(), line.message.contains('\u{1b}')), (Some(TM), false));
        assert!(line.message.ends_with("still two"));
        assert_eq!(
            (exception.severity, exception.shared, exception.step_name.as_deref()),
            (Severity::Error, false, Some("map"))
        );
        assert!(!exception.message.contains("/srv"), "{}", exception.message);
        assert_eq!(page.next_page_token, None, "the job has ended");
        assert!(page.notes.iter().any(|note| note.contains("shared")));
    }

    #[test]
    fn pages_join_and_a_running_job_goes_on() {
        let page = |token: Option<String>| {
            let query = LogQuery { max_results: 2, page_token: token, ..LogQuery::default() };
            logs(query, script(-1)).end.unwrap()
        };
        assert_eq!(messages(&page(None)), ["three", "after the job"], "the newest lines");
        let first = page(Some(LogQuery::START.into()));
        let second = page(first.next_page_token.clone());
        let third = page(second.next_page_token.clone());
        assert_eq!(messages(&first), ["one", "two"]);
        assert_eq!(messages(&second), ["a.B: boom", "three"]);
        assert_eq!(messages(&third), ["after the job"], "without an end, later lines may belong to it");
        let fourth = page(third.next_page_token.clone());
        assert_eq!((messages(&fourth).len(), fourth.next_page_token), (0, third.next_page_token));
    }

    #[test]
    fn the_newest_lines_say_where_those_without_a_time_are() {
        let page = |token: Option<&str>| {
            let mut script = script(-1);
            let printed =
                "printed\n2026-11-20 12:00:01,000 INFO  Task [] - a\n2026-11-20 12:00:02,000 INFO  Task [] - b\n";
            (script[1].1, script[6].1) = (recorded!("2.2.1/exceptions-none"), text(printed));
            logs(LogQuery { max_results: 2, page_token: token.map(Into::into), ..LogQuery::default() }, script)
                .end
                .unwrap()
        };
        let told = |page: &LogPage| page.notes.iter().any(|note| note.contains("page_token `start`"));
        let (newest, first) = (page(None), page(Some(LogQuery::START)));
        assert_eq!((messages(&newest), told(&newest)), (vec!["a", "b"], true));
        assert_eq!((messages(&first), told(&first)), (vec!["printed", "a"], false));
    }

    #[test]
    fn lines_of_one_moment_are_not_lost_between_pages() {
        let same = "2026-11-20 12:00:01,000 INFO  Task [] - a\n2026-11-20 12:00:01,000 INFO  Task [] - b\n\
            2026-11-20 12:00:01,000 INFO  Task [] - c\n";
        let mut seen = Vec::new();
        let mut token = Some(LogQuery::START.to_owned());
        for _ in 0..3 {
            let mut script = script(-1);
            (script[1].1, script[6].1) = (recorded!("2.2.1/exceptions-none"), text(same));
            let query = LogQuery { max_results: 1, page_token: token, ..LogQuery::default() };
            let page = logs(query, script).end.unwrap();
            seen.push(messages(&page)[0].to_owned());
            token = page.next_page_token;
        }
        assert_eq!(seen, ["a", "b", "c"]);
    }

    #[test]
    fn a_query_filters() {
        for (query, expected) in [
            (LogQuery { min_severity: Some(Severity::Warn), ..all() }, vec!["two", "a.B: boom"]),
            (LogQuery { contains: Some("three".into()), ..all() }, vec!["three"]),
            (LogQuery { since_ms: Some(1_795_176_006_000), ..all() }, vec!["three"]),
        ] {
            assert_eq!(messages(&logs(query, script(1_795_176_010_000)).end.unwrap()), expected);
        }
        let bad = LogQuery { page_token: Some("x".into()), ..all() };
        assert_eq!(logs(bad, vec![]).reason(), "bad_page_token");
    }

    #[test]
    fn what_cannot_be_read_is_noted() {
        let mut gone = script(1_795_176_010_000);
        gone[1].1 = fault(FaultKind::Timeout);
        gone[5].1 = recorded!("2.2.1/taskmanager-logs-unknown");
        gone.truncate(6);
        let page = logs(all(), gone).end.unwrap();
        assert_eq!(page.logs, []);
        for note in ["exceptions could not be read", "jobmanager keeps no log", "127.0.0.1:18084-6f7c67 is gone"] {
            assert!(page.notes.iter().any(|other| other.contains(note)), "{note}: {:?}", page.notes);
        }
        let mut large = script(1_795_176_010_000);
        large[5].1 = answer(200, json!({"logs": [{"name": "taskmanager.log", "size": 2_u64 << 30, "mtime": 1}]}));
        large.truncate(6);
        let page = logs(all(), large).end.unwrap();
        assert!(page.notes.iter().any(|note| note.contains("has 2048 MiB, too much")), "{:?}", page.notes);
        let unknown =
            [recorded!("2.2.1/job-unknown"), recorded!("2.2.1/job-exceptions-unknown"), recorded!("2.2.1/config")];
        assert_eq!(logs(all(), START.into_iter().zip(unknown).collect()).reason(), "job_unknown_to_flink");
    }

    #[test]
    fn what_lies_before_a_tail_and_behind_twenty_exceptions_is_said_to_be_there() {
        let mut script = script(-1);
        script[1].1 = answer(200, json!({"exceptionHistory": {"entries": [], "truncated": true}}));
        let line = format!("2026-11-20 12:00:01,000 INFO  Task [] - {}\n", "x".repeat(1 << 10));
        script[6].1 = end_of(&line.repeat(256));
        let page = logs(all(), script).end.unwrap();
        for note in ["the last 256 KiB are read", "Flink keeps older exceptions than the 0"] {
            assert!(page.notes.iter().any(|told| told.contains(note)), "{note}: {:?}", page.notes);
        }
        assert_eq!(page.logs.len(), 100);
    }

    /// A file as the host hands it on: of a long one the end, with Flink's word for how long it is.
    fn end_of(file: &str) -> Reply {
        let most = usize::try_from(request::LOG_TAIL_BYTES).unwrap();
        let body = &file[file.len().saturating_sub(most)..];
        let headers = vec![("content-length".to_owned(), file.len().to_string())];
        Reply::Response(Response { status: 200, headers, body: body.into() })
    }

    /// One who reads on, page by page, while the task manager's two files become others.
    struct Follower {
        token: Option<String>,
        most: u32,
        notes: Vec<String>,
    }

    impl Follower {
        fn from(token: Option<&str>) -> Self {
            Self { token: token.map(Into::into), most: 100, notes: vec![] }
        }

        fn reads(&mut self, out: &str, log: &str) -> Vec<String> {
            self.reads_until(-1, out, log)
        }

        fn reads_until(&mut self, end_ms: i64, out: &str, log: &str) -> Vec<String> {
            let mut script = script(end_ms);
            let files = ["taskmanager.out", "taskmanager.log"].map(|name| json!({"name": name, "size": 1, "mtime": 1}));
            script[1].1 = recorded!("2.2.1/exceptions-none");
            script[5].1 = answer(200, json!({"logs": files}));
            script.insert(6, ("GET /taskmanagers/127.0.0.1%3A18084-6f7c67/logs/taskmanager.out", end_of(out)));
            script[7].1 = end_of(log);
            let query = LogQuery { max_results: self.most, page_token: self.token.clone(), ..LogQuery::default() };
            let page = logs(query, script).end.unwrap();
            (self.token, self.notes) = (page.next_page_token.clone(), page.notes.clone());
            messages(&page).into_iter().map(str::to_owned).collect()
        }

        fn is_told(&self, text: &str) -> bool {
            self.notes.iter().any(|note| note.contains(text))
        }
    }

    const ONE: &str = "2026-11-20 12:00:01,000 INFO  Task [] - one\n";
    const TWO: &str = "2026-11-20 12:00:02,000 INFO  Task [] - two\n";

    #[test]
    fn who_follows_is_told_what_is_printed_later() {
        for begin in [None, Some(LogQuery::START)] {
            let mut follower = Follower::from(begin);
            assert_eq!(follower.reads("a\nb\n", ONE), ["a", "b", "one"]);
            assert_eq!(follower.reads("a\nb\n", ONE), [""; 0], "never twice");
            assert_eq!(follower.reads("a\nb\nc\nhalf", ONE), ["c"], "a line waits for its end");
            assert_eq!(follower.reads("a\nb\nc\nhalf a line\n", &[ONE, TWO].concat()), ["half a line", "two"]);
            assert!(!follower.is_told("another file"), "{:?}", follower.notes);
            let ended = follower.reads_until(1_795_176_010_000, "a\nb\nc\nhalf a line\nend", &[ONE, TWO].concat());
            assert_eq!(
                (ended, follower.token),
                (vec!["end".to_owned()], None),
                "nothing comes behind the end of a job"
            );
        }
    }

    #[test]
    fn what_is_printed_comes_page_by_page_and_in_its_order() {
        let (mut follower, mut told) = (Follower::from(Some("start")), Vec::new());
        follower.most = 2;
        for out in ["a\nb\nc\n", "a\nb\nc\nd\n", "a\nb\nc\nd\ne\n", "a\nb\nc\nd\ne\n", "a\nb\nc\nd\ne\n"] {
            let page = follower.reads(out, &[ONE, TWO].concat());
            assert!(page.len() <= 2);
            told.extend(page);
        }
        assert_eq!(told, ["a", "b", "c", "d", "e", "one", "two"]);
    }

    #[test]
    fn a_line_that_comes_late_is_told_although_others_have_a_later_time() {
        let mut follower = Follower::from(None);
        assert_eq!(follower.reads("", TWO), ["two"]);
        assert_eq!(follower.reads(ONE, TWO), ["one"]);
        assert_eq!(follower.reads(ONE, &format!("{TWO}\tat a.B\n")), ["at a.B"], "what a line goes on with");
    }

    #[test]
    fn a_file_that_begins_anew_is_told_from_its_beginning() {
        for anew in ["x\n", "x\nand longer than before\n"] {
            let mut follower = Follower::from(None);
            assert_eq!(follower.reads("a\nb\n", ONE), ["a", "b", "one"]);
            assert_eq!(follower.reads(anew, ONE), anew.lines().collect::<Vec<_>>());
            assert!(
                follower.is_told("taskmanager.out of 127.0.0.1:18084-6f7c67 is another file"),
                "{:?}",
                follower.notes
            );
            assert_eq!(follower.reads(anew, ONE), [""; 0]);
            assert!(!follower.is_told("another file"));
        }
    }

    #[test]
    fn of_a_long_file_who_follows_is_told_all_that_still_is_there() {
        let lines = |to: usize| (0..to).map(|n| format!("{n:07}\n")).collect::<Vec<_>>().concat();
        let mut follower = Follower::from(None);
        let newest = follower.reads(&lines(40_000), ONE);
        assert_eq!(newest.last().unwrap(), "one");
        assert!(follower.is_told("of taskmanager.out of 127.0.0.1:18084-6f7c67 the last 256 KiB are read"));
        assert_eq!(follower.reads(&lines(40_003), ONE), ["0040000", "0040001", "0040002"]);
        assert!(!follower.is_told("256 KiB"), "{:?}", follower.notes);
        // 256 KiB are 32,768 such lines, of which the first counts as a broken one.
        let late = follower.reads(&lines(80_003), ONE);
        assert_eq!((late.len(), late[0].as_str()), (100, "0047236"));
        assert!(follower.is_told("57856 bytes or a line more since the last page"), "{:?}", follower.notes);
        assert_eq!(follower.reads(&lines(80_003), ONE)[0], "0047336");
        assert!(!follower.is_told("since the last page"), "{:?}", follower.notes);
    }

    #[test]
    fn what_a_filter_leaves_out_is_passed() {
        let mut script = script(-1);
        (script[1].1, script[6].1) = (recorded!("2.2.1/exceptions-none"), text("a\nb\n"));
        let query = LogQuery { contains: Some("none".into()), page_token: Some("start".into()), ..all() };
        let page = logs(query, script).end.unwrap();
        assert!(page.logs.is_empty());
        assert!(page.next_page_token.unwrap().contains(".4."), "the file is read up to its end");
    }

    #[test]
    fn only_current_files_of_the_process_itself_are_chosen() {
        let file = |name: &str, size, mtime| LogFile { name: name.into(), size, mtime };
        let files = vec![
            file("flink-root-standalonesession-0-h.log", 9, 9),
            file("flink-root-taskexecutor-0-h.log.1", 9, 8),
            file("flink-root-taskexecutor-0-h.log", 9, 5),
            file("flink-root-taskexecutor-0-h.out", 0, 6),
            file("flink-root-taskexecutor-1-h.log", 9, 4),
            file("flink-root-taskexecutor-2-h.log", 9, 3),
        ];
        let names = |process: &Process| -> Vec<String> {
            chosen(process, files.clone()).0.into_iter().map(|file| file.name).collect()
        };
        let left = chosen(&Process::TaskManager("tm".into()), files.clone()).1;
        assert_eq!(left, ["flink-root-taskexecutor-2-h.log", "flink-root-taskexecutor-0-h.log.1"]);
        assert_eq!(
            names(&Process::TaskManager("tm".into())),
            ["flink-root-taskexecutor-0-h.log", "flink-root-taskexecutor-1-h.log"]
        );
        assert_eq!(names(&Process::JobManager), ["flink-root-standalonesession-0-h.log"]);
    }
}

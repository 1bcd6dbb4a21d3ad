//! What a driver's first and last bytes of `stderr` say: who it is, which application it became, and why it failed.

use super::failure;
use crate::{
    effect::Response,
    error::Error,
    job::id::is_token,
    runner::stack_trace::{digest, without_paths},
    text::clean_line,
};

/// The property that marks a driver of ours.
pub(super) const MARKER: &str = "spark.beam.jobId";
/// How a worker begins the `stderr` of a driver and of an executor; the line shows every property.
const COMMANDS: [&str; 2] = ["Launch Command: ", "Spark Executor Command: "];
const LAST_LINES: usize = 3;
/// True of a driver that has none of the flags, and of one whose program needs more of them.
const MODULES_CLOSED: &str = "Spark 3 needs module flags on Java 17 (`--add-opens` in `spark.driver.extraJavaOptions`), and its \
                              submission API adds none: beam-mcp sends them with what it submits, other submitters have \
                              to; packages that a program needs beside them are opened in that property of the target";

/// A part of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Chunk {
    /// Offset of its first byte.
    pub(super) from: u64,
    /// Offset after its last byte.
    pub(super) to: u64,
    /// Length of the log.
    pub(super) size: u64,
    pub(super) text: String,
}

/// Reads a worker's answer; `None` when it has no such log. Its first line, `==== Bytes 0-300 of 17586 of <path> ====`,
/// names a path of the worker and goes no further.
pub(super) fn chunk(response: &Response) -> Result<Option<Chunk>, Error> {
    if response.status != 200 {
        return Err(failure::error(response));
    }
    let text = response.body.text();
    let malformed = || Error::malformed("the worker's answer is not a part of a log");
    let (header, body) = text.split_once('\n').ok_or_else(malformed)?;
    let words = header.strip_prefix("==== Bytes ").and_then(|rest| rest.split_once(" of "));
    let (range, rest) = words.ok_or_else(malformed)?;
    let size = rest.split_once(" of ").map_or(rest, |(size, _)| size);
    let bounds = range.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let ((from, to), size) = bounds.zip(size.parse().ok()).ok_or_else(malformed)?;
    if size == 0 && body.starts_with("Error: ") {
        return Ok(None);
    }
    Ok(Some(Chunk { from, to, size, text: body.to_owned() }))
}

/// The token in a driver's launch command. Properties come before anything a caller chose, so the first one counts.
pub(super) fn token(head: &str) -> Option<&str> {
    let command = head.lines().next().and_then(|line| line.strip_prefix("Launch Command: "))?;
    let (_, rest) = command.split_once(&format!("\"-D{MARKER}="))?;
    rest.split('"').next().filter(|token| is_token(token))
}

/// True when the launch command is there, whole.
pub(super) fn has_command(head: &str) -> bool {
    head.starts_with("Launch Command: ") && head.contains('\n')
}

/// The application a driver became, as its scheduler says.
pub(super) fn app_id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(" Connected to Spark cluster with app ID ")?;
    rest.lines().next().map(str::trim).filter(|id| is_plain_id(id))
}

/// True for an id as Spark makes them: nothing in it can change a path.
pub(super) fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// A line of a log without what it must not show.
pub(super) fn shown(line: &str) -> String {
    match COMMANDS.iter().find(|command| line.starts_with(**command)) {
        Some(command) => format!("{command}… (left out: it shows the target's properties)"),
        None => line.to_owned(),
    }
}

/// Why a driver failed, by the end of its `stderr`: Spark itself gives no reason.
pub(super) fn reason(tail: &str) -> String {
    let thrown = tail.rmatch_indices("Exception in thread ").next().and_then(|(at, _)| tail.get(at..));
    let Some(thrown) = thrown else { return without_exception(tail) };
    let (_, trace) = thrown.split_once("\" ").unwrap_or_default();
    let trace = trace.trim_start_matches("java.lang.reflect.InvocationTargetException\n");
    let trace = trace.split("\n2").next().unwrap_or(trace);
    let causes = trace.find("Caused by: ").filter(|_| trace.starts_with("\tat ")).and_then(|at| trace.get(at..));
    let text = digest(causes.map_or(trace, |causes| causes.trim_start_matches("Caused by: ")));
    let module = text.contains("IllegalAccessError") && text.contains("module java.base");
    if !module {
        return text;
    }
    format!("{text}\n{MODULES_CLOSED}")
}

/// The last lines that say more than that the process stops.
fn without_exception(tail: &str) -> String {
    let errors: Vec<&str> = tail.lines().filter(|line| line.contains(" ERROR ")).collect();
    let last = errors.iter().rev().take(LAST_LINES).rev().map(|line| clean_line(&without_paths(line), 512));
    let last: Vec<String> = last.collect();
    let said = "the driver ended with an exit code that is not 0 and left no exception; get_logs shows its last lines";
    if last.is_empty() { said.to_owned() } else { format!("{said}:\n{}", last.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        runner::spark::testing::{TOKEN, recorded, text},
    };

    fn part(reply: Reply) -> Option<Chunk> {
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        chunk(&response).unwrap()
    }

    #[test]
    fn a_part_of_a_log_has_its_place_and_no_path() {
        let middle = part(recorded!("3.5.9/driver-stderr-range")).unwrap();
        assert_eq!((middle.from, middle.to, middle.size), (3000, 4000, 9901));
        assert!(middle.text.starts_with("7.0.0.1:7078\n26/11/25 "), "{}", middle.text);
        assert!(!middle.text.contains("/srv/"), "{}", middle.text);
        let end = part(recorded!("3.5.9/driver-stderr-past-end")).unwrap();
        assert_eq!((end.from, end.to, end.size, end.text.as_str()), (9901, 9901, 9901, ""));
        assert_eq!(part(recorded!("3.5.9/log-unknown")), None);
        for lie in ["", "x", "==== Bytes 1 of 2 of /x ====\n", "==== Bytes a-b of c of /x ====\n"] {
            let Reply::Response(response) = text(200, lie) else { panic!() };
            assert_eq!(chunk(&response).unwrap_err().reason(), "malformed_response", "{lie}");
        }
    }

    #[test]
    fn a_launch_command_says_whose_the_driver_is_and_goes_no_further() {
        for (reply, app) in [
            (recorded!("3.5.9/driver-stderr-head"), "app-20261125195851-0001"),
            (recorded!("4.1.4/driver-stderr-head"), "app-20261125200353-0000"),
        ] {
            let head = part(reply).unwrap().text;
            assert_eq!((token(&head), has_command(&head), app_id(&head)), (Some(TOKEN), true, Some(app)));
            assert!(!shown(head.lines().next().unwrap()).contains("-D"));
        }
        let executor = part(recorded!("3.5.9/executor-stderr-head")).unwrap().text;
        assert!(!shown(executor.lines().next().unwrap()).contains("-D"));
        assert_eq!((token(&executor), shown("26/11/25 a line")), (None, "26/11/25 a line".into()));
        let other = "0".repeat(32);
        let command = |rest: &str| format!("Launch Command: \"java\" \"-Dspark.beam.jobId={TOKEN}\" {rest}\n");
        let pretends = command(&format!("\"Main\" \"-Dspark.beam.jobId={other}\""));
        assert_eq!(token(&pretends), Some(TOKEN), "an argument of the caller is not a property");
        assert_eq!(token(&format!("\nLaunch Command: \"-Dspark.beam.jobId={TOKEN}\"")), None);
        assert_eq!(token("Launch Command: \"-Dspark.beam.jobId=short\"\n"), None);
    }

    /// Surprise 13 of runners.md section 9.
    #[test]
    fn a_failed_drivers_last_words_are_its_reason() {
        for (reply, expected) in [
            (
                recorded!("3.5.9/stderr-tail-fails"),
                "org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times, \
                 most recent failure: Lost task 1.3 in stage 0.0 (TID 4) (127.0.0.1 executor 0): \
                 java.lang.IllegalStateException: ratejob: told to fail at 3\n\
                 Caused by: java.lang.IllegalStateException: ratejob: told to fail at 3",
            ),
            (
                recorded!("3.5.9/stderr-tail-no-context"),
                "java.lang.IllegalArgumentException: ratejob: told to fail before it begins",
            ),
            (recorded!("3.5.9/stderr-tail-wrong-class"), "java.lang.ClassNotFoundException: org.beammcp.examples.Nope"),
            (
                recorded!("3.5.9/stderr-tail-exit"),
                "the driver ended with an exit code that is not 0 and left no exception; get_logs shows its last lines",
            ),
        ] {
            assert_eq!(reason(&part(reply).unwrap().text), expected);
        }
        let newer = reason(&part(recorded!("4.1.4/stderr-tail-fails")).unwrap().text);
        assert!(newer.contains("ratejob: told to fail at 3"), "{newer}");
        assert!(!newer.contains("\tat "), "{newer}");
    }

    /// Surprise 14 of runners.md section 9.
    #[test]
    fn the_module_failure_of_java_17_is_explained() {
        let text = reason(&part(recorded!("3.5.9/stderr-tail-java17")).unwrap().text);
        assert!(
            text.starts_with("java.lang.IllegalAccessError: class org.apache.spark.storage.StorageUtils$"),
            "{text}"
        );
        assert!(text.contains("module flags on Java 17"), "{text}");
    }
}

//! A Java stack trace of up to 80 kB, of which two or three lines matter.

use crate::text::{clean, clean_line};

/// Longest text kept of one trace.
const LONGEST: usize = 2 << 10;

/// Exceptions that only carry another one.
const WRAPPERS: [&str; 5] = [
    "java.util.concurrent.CompletionException: ",
    "java.util.concurrent.ExecutionException: ",
    "java.lang.reflect.InvocationTargetException: ",
    "org.apache.flink.runtime.rest.handler.RestHandlerException: ",
    "org.apache.flink.runtime.rest.NotFoundException: ",
];

/// What Beam's Python workers put behind the error of a step; it stands far below the line it belongs to.
const STEP: &str = " [while running '";

/// First line and every `Caused by:` line of a stack trace, and the error of a Python step, without repetitions, paths of
/// the server and anything that hides in text.
pub(super) fn digest(trace: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for line in telling_lines(trace) {
        let line = clean_line(&without_paths(&unwrapped(line)), LONGEST);
        if !kept.iter().any(|other| message(other) == message(&line)) {
            kept.push(line);
        }
    }
    clean(&kept.join("\n"), LONGEST)
}

fn telling_lines(trace: &str) -> impl Iterator<Item = &str> {
    let lines = trace.lines().filter(|line| !line.trim().is_empty());
    let tells = |line: &str| line.trim_start().starts_with("Caused by:") || is_of_a_step(line);
    lines.enumerate().filter(move |(at, line)| *at == 0 || tells(line)).map(|(_, line)| line.trim())
}

fn is_of_a_step(line: &str) -> bool {
    line.contains(STEP) && !line.starts_with(char::is_whitespace)
}

fn unwrapped(line: &str) -> String {
    let (cause, mut rest) = match line.strip_prefix("Caused by: ") {
        Some(rest) => ("Caused by: ", rest),
        None => ("", line),
    };
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = inner;
    }
    format!("{cause}{rest}")
}

/// The line without `Caused by:` and the names of exception classes.
fn message(line: &str) -> &str {
    let mut rest = line.strip_prefix("Caused by: ").unwrap_or(line);
    while let Some((_, inner)) = rest.split_once(": ").filter(|(class, _)| is_class(class)) {
        rest = inner;
    }
    rest
}

fn is_class(text: &str) -> bool {
    text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._$".contains(c))
}

/// The text with absolute paths of files cut to their last segment. Addresses such as `s3://…` stay.
pub(super) fn without_paths(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        let (token, tail) = rest.split_at(at);
        out.push_str(&without_path(token));
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(separator);
        out.push_str(separator);
        rest = tail;
    }
    out + &without_path(rest)
}

fn without_path(token: &str) -> String {
    if token.contains("://") && !token.starts_with("file:") {
        return token.to_owned();
    }
    let Some((head, path)) = token.find('/').and_then(|at| token.split_at_checked(at)) else {
        return token.to_owned();
    };
    let starts_path = head.is_empty() || head.ends_with([':', '=']);
    match path.trim_end_matches(['/', '.', ':']).rsplit_once('/') {
        Some((folder, last)) if starts_path && !folder.trim_start_matches('/').is_empty() => format!("{head}…/{last}"),
        _ => token.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_python_step_is_kept_once() {
        let python = "Error received from SDK harness for instruction 1: Traceback (most recent call last):\n  \
                      File \"common.py\", line 1, in process\nValueError: no such order: 7\n\nTraceback (most recent \
                      call last):\n    raise ValueError(\" [while running 'x']\")\nValueError: no such order: 7 [while \
                      running 'Map(fail)']\n\n\tat org.apache.beam.X.run(X.java:1)\n";
        let trace = format!(
            "java.lang.RuntimeException: Job a_1 failed.\n\tat a.B.c(B.java:1)\nCaused by: java.util.concurrent.\
             ExecutionException: java.lang.RuntimeException: {python}Caused by: java.lang.RuntimeException: {python}"
        );
        let lines = [
            "java.lang.RuntimeException: Job a_1 failed.",
            "Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 1: Traceback (most \
             recent call last):",
            "ValueError: no such order: 7 [while running 'Map(fail)']",
        ];
        assert_eq!(digest(&trace), lines.join("\n"));
    }

    #[test]
    fn paths_of_the_server_go_and_addresses_stay() {
        for (text, expected) in [
            ("Jar file /srv/web/upload/x_a.jar does not exist", "Jar file …/x_a.jar does not exist"),
            ("opening '/a/b/c.jar'", "opening '…/c.jar'"),
            ("at file:/proc/nowhere", "at file:…/nowhere"),
            ("'file:///srv/savepoints/none'", "'file:…/none'"),
            ("path=/etc/flink/conf", "path=…/conf"),
            ("s3://bucket/a/b and hdfs://nn:8020/x/y", "s3://bucket/a/b and hdfs://nn:8020/x/y"),
            ("org/apache/flink/Some and 1/2 and a/b/c", "org/apache/flink/Some and 1/2 and a/b/c"),
            ("(1/1)#0 and /one", "(1/1)#0 and /one"),
            ("", ""),
        ] {
            assert_eq!(without_paths(text), expected);
        }
    }

    #[test]
    fn no_text_is_too_long_or_hides_anything() {
        let long = format!("java.lang.Error: {}\u{1b}[31m\u{202e}\nCaused by: x{}", "é".repeat(5000), "y".repeat(9000));
        let text = digest(&long);
        assert!(text.len() <= LONGEST + '…'.len_utf8() && !text.contains(['\u{1b}', '\u{202e}']));
        assert_eq!(digest(""), "");
    }
}

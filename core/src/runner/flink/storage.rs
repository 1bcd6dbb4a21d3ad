//! Which savepoint paths a caller may name: those beneath the target's prefixes (security-reliability.md T21).

use std::time::Duration;

use super::{
    Flink,
    checkpoint::{AsyncOperation, Settled},
    request, response,
};
use crate::{config::Target, error::Error, pace::Pace};

/// Checks a path or directory a caller named.
///
/// With neither prefixes nor a directory configured, only an operator may name one.
///
/// # Errors
/// `invalid_argument` with reason `bad_savepoint_path`, `permission_denied` with reason `savepoint_path_not_allowed`.
pub(super) fn check_path(target: &Target, path: &str, operator: bool) -> Result<(), Error> {
    let named = canonical(path).ok_or_else(|| bad(path))?;
    let prefixes = prefixes(target);
    let beneath = |prefix: &str| operators(prefix).is_some_and(|prefix| is_beneath(&named, &prefix));
    if (prefixes.is_empty() && operator) || prefixes.iter().any(|prefix| beneath(prefix)) {
        return Ok(());
    }
    Err(not_allowed(&prefixes))
}

impl Flink {
    /// Deletes the files of a savepoint and waits until Flink has done so.
    ///
    /// # Errors
    /// Those of `check_path`; `failed_precondition` with reason `disposal_failed`; `deadline_exceeded` when Flink was
    /// still at it, else as every write.
    pub async fn dispose(&self, path: &str, operator: bool) -> Result<(), Error> {
        let target = &self.context.target;
        check_path(target, path, operator)?;
        let id = self.write(request::dispose_request(target, path), response::trigger_id).await?;
        let mut pace = Pace::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            let status = request::dispose_status_request(target, &id);
            match self.read(status, response::read::<AsyncOperation>).await?.settled() {
                Settled::Done(_) => return Ok(()),
                Settled::Failed(thrown) => return Err(Error::precondition("disposal_failed", thrown.digest())),
                Settled::Not => {}
            }
            let now = self.context.io.now().mono;
            let delay = pace.next(now, self.context.deadline);
            self.context
                .io
                .sleep(delay.ok_or_else(|| Error::deadline("Flink is still deleting the savepoint"))?)
                .await?;
        }
    }
}

fn prefixes(target: &Target) -> Vec<&str> {
    let configured: Vec<&str> = target.savepoint_prefixes.iter().map(String::as_str).collect();
    if configured.is_empty() { target.savepoint_dir.as_deref().into_iter().collect() } else { configured }
}

/// A prefix of the operator's; one without a scheme is a folder of the machines Flink runs on.
fn operators(prefix: &str) -> Option<String> {
    if prefix.starts_with('/') { canonical(&format!("file:{prefix}")) } else { canonical(prefix) }
}

fn is_beneath(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path in one spelling: scheme in lower case, `file:/…` whatever the number of slashes, no empty segments; `None`
/// for what has no scheme, climbs (`..`), names a host of a `file:`, or holds characters savepoint paths do not have.
fn canonical(path: &str) -> Option<String> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !"\\?#%@".contains(c);
    let (scheme, rest) = path.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let known = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (authority, folders) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let segments: Vec<&str> = folders.split('/').filter(|segment| !segment.is_empty()).collect();
    let climbs = segments.iter().any(|segment| matches!(*segment, "." | ".."));
    let local = scheme == "file";
    let placed = if local { authority.is_empty() && folders.starts_with('/') } else { rest.starts_with("//") };
    let well = known && placed && !climbs && path.len() <= 1024 && rest.chars().all(plain);
    well.then(|| format!("{scheme}:{}{authority}/{}", if local { "" } else { "//" }, segments.join("/")))
}

fn bad(path: &str) -> Error {
    Error::invalid("bad_savepoint_path", "a savepoint path is an address such as s3://bucket/folder/savepoint-ab12cd")
        .with("path", path)
        .suggest("take it from the job or operation that made the savepoint and send it unchanged")
}

fn not_allowed(prefixes: &[&str]) -> Error {
    let error = Error::new(
        crate::ErrorKind::PermissionDenied,
        "savepoint_path_not_allowed",
        "the savepoint path is not beneath a folder the operator allows for this target",
    );
    let error = if prefixes.is_empty() { error } else { error.with("allowed", prefixes.join(", ")) };
    error.suggest("use a path beneath an allowed folder, or ask the operator to add it to `savepoint_prefixes`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::RunnerKind,
        runner::flink::testing::{self, play, recorded},
    };

    #[test]
    fn a_savepoint_is_deleted_when_flink_says_so() {
        const PATH: &str = "file:/srv/flink/savepoints/savepoint-0bea00-40105ed00d20";
        const STATUS: &str = "GET /savepoint-disposal/d4a7bd37bb9f2f9ab7c4a8e88eb83272";
        let dispose = |status: Vec<_>| {
            let mut target = testing::target();
            target.savepoint_dir = Some("file:///srv/flink/savepoints".into());
            let trigger = vec![("POST /savepoint-disposal", recorded!("2.2.1/savepoint-disposal-trigger"))];
            play(target, [trigger, status].concat(), |flink| async move { flink.dispose(PATH, false).await })
        };
        let waits = dispose(vec![
            (STATUS, recorded!("2.2.1/savepoint-in-progress")),
            (STATUS, recorded!("2.2.1/savepoint-disposal")),
        ]);
        assert_eq!((waits.end, waits.slept), (Ok(()), 1));
        let failed = dispose(vec![(STATUS, recorded!("2.2.1/savepoint-bad-directory-failed"))]);
        assert_eq!(failed.reason(), "disposal_failed");
    }

    #[test]
    fn only_paths_beneath_a_prefix_pass() {
        let mut target = Target::new("flink", RunnerKind::Flink);
        target.savepoint_dir = Some("file:///srv/savepoints/".into());
        for good in ["file:/srv/savepoints/savepoint-1", "FILE:///srv/savepoints", "file:///srv//savepoints/a/b"] {
            check_path(&target, good, false).unwrap();
        }
        for (path, reason) in [
            ("file:///srv/savepoints-evil/x", "savepoint_path_not_allowed"),
            ("s3://srv/savepoints/x", "savepoint_path_not_allowed"),
            ("file:///srv/savepoints/../x", "bad_savepoint_path"),
            ("file:///srv/savepoints/%2e%2e/x", "bad_savepoint_path"),
            ("file:///srv/savepoints/a\0", "bad_savepoint_path"),
            ("/srv/savepoints/x", "bad_savepoint_path"),
            ("file:savepoints", "bad_savepoint_path"),
            ("file://host/srv/savepoints/x", "bad_savepoint_path"),
            ("s3:/srv/savepoints/x", "bad_savepoint_path"),
            ("s3://user@srv/x", "bad_savepoint_path"),
        ] {
            for operator in [false, true] {
                assert_eq!(check_path(&target, path, operator).unwrap_err().reason(), reason, "{path}");
            }
        }
        target.savepoint_prefixes = vec!["s3://bucket/a".into(), "hdfs://srv/x".into(), "/data".into()];
        for good in ["s3://bucket/a/sp", "S3://bucket//a", "hdfs://srv/x/y", "file:/data/sp"] {
            check_path(&target, good, false).unwrap();
        }
        for other in ["hdfs:///srv/x/y", "s3://bucket/ab", "s3://bucket", "file:/database"] {
            assert_eq!(
                check_path(&target, other, false).unwrap_err().reason(),
                "savepoint_path_not_allowed",
                "{other}"
            );
        }
        assert!(check_path(&target, "file:/srv/savepoints/x", false).is_err());
    }

    #[test]
    fn without_prefixes_only_an_operator_names_a_path() {
        let target = Target::new("flink", RunnerKind::Flink);
        assert_eq!(check_path(&target, "s3://b/x", false).unwrap_err().reason(), "savepoint_path_not_allowed");
        check_path(&target, "s3://b/x", true).unwrap();
    }
}

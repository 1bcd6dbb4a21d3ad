//! Beam's job-server jar of a target: whether it is there, and which clusters run it.

use crate::{
    effect::Fact,
    error::{Error, ErrorKind},
};

/// Its name among the programs of a target.
pub(super) const JOB_SERVER: &str = "job_server";

/// What the host says of the jar.
#[derive(Debug)]
pub(super) struct JobServer {
    found: bool,
    /// Beam's name of the runner in it: `flink-1.19`, `spark-3`.
    pub(super) runner: Option<String>,
}

impl JobServer {
    pub(super) fn of(fact: Option<&Fact>) -> Self {
        match fact {
            Some(Fact::Program { found, version, .. }) => Self { found: *found, runner: version.clone() },
            _ => Self { found: false, runner: None },
        }
    }

    /// What keeps a cluster of this version from running it, where that can be told. Beam builds a runner for each
    /// series; that of 1.19 was seen to run on 1.20, and none runs across a first number.
    pub(super) fn fault(&self, cluster: &str, version: Option<&str>) -> Option<Error> {
        if !self.found {
            return Some(missing());
        }
        let (runner, series) = self.serves()?;
        let fits = runner == cluster && version.is_none_or(|version| first_number(version) == first_number(series));
        (!fits).then(|| {
            let runs = version.map_or_else(|| cluster.to_owned(), |version| format!("{cluster} {version}"));
            let text = format!("the target's job-server jar is for {runner} {series}, and the cluster runs {runs}");
            Error::unsupported("job_server_differs", text).suggest(
                "submit to a target of that series, or a jar built for this one; list_runners shows targets, and the \
                 operator sets `targets.<name>.job_server_jar`",
            )
        })
    }

    /// True when only a cluster's version is missing to tell whether it runs there.
    pub(super) fn depends(&self, cluster: &str) -> bool {
        self.found && self.serves().is_some_and(|(runner, _)| runner == cluster)
    }

    pub(super) fn warning(&self) -> Option<&'static str> {
        (self.found && self.serves().is_none())
            .then_some("neither name nor manifest of the job-server jar says which series of the cluster it is for")
    }

    fn serves(&self) -> Option<(&str, &str)> {
        self.runner.as_deref()?.split_once('-')
    }
}

fn first_number(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The jar is the operator's: what is wrong with it is not the caller's mistake.
pub(super) fn missing() -> Error {
    Error::new(
        ErrorKind::FailedPrecondition,
        "no_job_server_jar",
        "the target's job-server jar is not there, or no jar",
    )
    .suggest("ask the operator to correct `targets.<name>.job_server_jar`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(found: bool, runner: Option<&str>, cluster: &str, version: Option<&str>) -> Option<String> {
        let jar = JobServer { found, runner: runner.map(Into::into) };
        jar.fault(cluster, version).map(|error| error.reason().to_owned())
    }

    #[test]
    fn a_jar_serves_clusters_of_its_first_number() {
        let differs = Some("job_server_differs".to_owned());
        for (runner, cluster, version, expected) in [
            (Some("flink-1.19"), "flink", Some("1.19.3"), None),
            (Some("flink-1.19"), "flink", Some("1.20.5"), None),
            (Some("flink-1.19"), "flink", Some("2.2.1"), differs.clone()),
            (Some("flink-2.0"), "flink", Some("1.20.5"), differs.clone()),
            (Some("spark-3"), "spark", Some("3.5.9"), None),
            (Some("spark-3"), "spark", Some("4.1.4"), differs.clone()),
            (Some("spark-3"), "flink", Some("1.20.5"), differs.clone()),
            (Some("spark-3"), "flink", None, differs),
            (Some("flink-1.19"), "flink", None, None),
            (None, "flink", Some("2.2.1"), None),
        ] {
            assert_eq!(reason(true, runner, cluster, version), expected, "{runner:?} on {cluster} {version:?}");
        }
        assert_eq!(reason(false, None, "flink", None).as_deref(), Some("no_job_server_jar"));
    }

    #[test]
    fn a_jar_that_does_not_say_is_warned_about() {
        let jar = |runner: Option<&str>| JobServer { found: true, runner: runner.map(Into::into) };
        assert!(jar(None).warning().is_some() && jar(Some("flink-1.19")).warning().is_none());
        assert!(jar(Some("flink-1.19")).depends("flink") && !jar(Some("flink-1.19")).depends("spark"));
    }
}

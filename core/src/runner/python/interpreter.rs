//! The Python of a target, which runs a program up to its pipeline.

use crate::{
    effect::{Fact, Handle, Query},
    error::{Error, ErrorKind},
    runner::Context,
};

/// What this host and its interpreter can do for a submission.
pub(in crate::runner) struct Python {
    pub(in crate::runner) version: Option<String>,
    pub(in crate::runner) beam_version: Option<String>,
    /// It can import what Beam YAML needs.
    pub(in crate::runner) yaml: bool,
    /// What is missing.
    pub(in crate::runner) warning: Option<String>,
}

impl Python {
    /// True when it can build a pipeline.
    pub(in crate::runner) fn submits(&self) -> bool {
        self.beam_version.is_some()
    }
}

pub(in crate::runner) async fn ask(context: &Context) -> Result<Python, Error> {
    told(program(context).await)
}

/// What an answer of the host says.
pub(in crate::runner) fn told(answer: Result<Option<Fact>, Error>) -> Result<Python, Error> {
    let none = |warning: &str| Python { version: None, beam_version: None, yaml: false, warning: Some(warning.into()) };
    match answer {
        Ok(Some(Fact::Program { found: true, version, beam_version, yaml })) => {
            let missing = "the target's `python` cannot import apache_beam, so nothing can be submitted";
            let warning = beam_version.is_none().then(|| missing.to_owned());
            Ok(Python { version, beam_version, yaml, warning })
        }
        Ok(_) => Ok(none("the target's `python` cannot be started, so nothing can be submitted")),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Ok(none("this host starts no processes, so it only watches: submit through a beam-mcp-server"))
        }
        Err(error) => Err(error),
    }
}

/// What the target's interpreter says of itself.
pub(in crate::runner) async fn program(context: &Context) -> Result<Option<Fact>, Error> {
    Ok(programs(context, &["python"]).await?.pop())
}

/// What named programs of the target say of themselves, in their order.
pub(in crate::runner) async fn programs(context: &Context, names: &[&str]) -> Result<Vec<Fact>, Error> {
    let query = |name: &&str| Query::Program { target: context.target.name.clone(), program: (*name).into() };
    let nobody = Handle { folder: String::new(), pid: 0, start_time: 0 };
    context.io.observe(nobody, names.iter().map(query).collect()).await
}

/// Refuses an interpreter that can build no pipeline.
///
/// # Errors
/// `failed_precondition`, reason `no_program`.
pub(in crate::runner) fn check(fact: Option<&Fact>) -> Result<(), Error> {
    let missing = match fact {
        Some(Fact::Program { found: true, beam_version: Some(_), .. }) => return Ok(()),
        Some(Fact::Program { found: true, .. }) => "the target's `python` cannot import apache_beam",
        _ => "the target's `python` cannot be started",
    };
    Err(Error::new(ErrorKind::FailedPrecondition, "no_program", missing)
        .suggest("ask the operator to set `targets.<name>.python` to a Python with apache_beam, or use another target"))
}

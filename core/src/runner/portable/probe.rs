//! Which service answers, told by how it speaks of a job it does not have, and what it can do.

use serde_json::json;

use super::{
    flow,
    request::{NOBODY, supports},
};
use crate::{
    error::{Error, ErrorKind, Retry},
    flow::Rpc,
    job_api::{message, method},
    pace::Backoff,
    runner::{
        Capability, Context, Probe,
        python::{
            code,
            environment::{LOOPBACK, NO_ENVIRONMENT, environment},
            interpreter,
        },
    },
    url::travels_in_the_clear,
};

/// Who implements the Job API at a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    /// Beam's Prism.
    Prism,
    /// Beam's Python local job service.
    Python,
    /// A Java job server.
    Java,
    /// Something else that speaks for itself.
    Other,
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Prism => "prism",
            Self::Python => "python",
            Self::Java => "java",
            Self::Other => "other",
        }
    }
}

/// Asks for the state of a job that no service has.
pub(super) async fn service(context: &Context) -> Result<Service, Error> {
    let ask = || async {
        let answer =
            context.rpc(&method("GetState"), message::about(NOBODY), std::time::Duration::from_secs(5)).await?;
        told(&answer)
    };
    context.retry(Backoff { tries: 2, ..Backoff::READ }, ask).await
}

fn told(answer: &Rpc) -> Result<Service, Error> {
    Ok(match (answer.status, answer.message.as_str()) {
        (5, _) => Service::Java,
        (2, text) if text.starts_with("job with id ") => Service::Prism,
        (2, text) if text.starts_with("Exception calling application") => Service::Python,
        (12, _) => return Err(no_job_service()),
        // So speaks whatever stands between, too.
        (1 | 2 | 4 | 7 | 8 | 10 | 13..=16, _) => return Err(untold(answer)),
        _ => Service::Other,
    })
}

/// An answer that says nothing of who gave it: the next one may.
fn untold(answer: &Rpc) -> Error {
    let error = super::response::answered(answer.clone()).err().unwrap_or_else(no_job_service);
    let error = if error.reason() == "runner_error" { error.retry_as(Retry::Safe) } else { error };
    error.suggest(
        "where it goes on, what answers is none of the job services the product knows: Prism, Beam's Python one, \
         Java job servers",
    )
}

fn no_job_service() -> Error {
    Error::new(ErrorKind::MalformedResponse, "no_job_service", "what answers there is no Beam job service")
        .suggest("correct `targets.<name>.url`: http://host:port of the job endpoint, for Prism 8073 by default")
}

/// True where `Drain` is implemented: asked for a job that no service has.
pub(super) async fn drains(context: &Context) -> Result<bool, Error> {
    match flow::call(context, "Drain", message::about(NOBODY), std::time::Duration::from_secs(5)).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(error) if matches!(error.reason(), "runner_error" | "job_unknown_to_service" | "refused_by_service") => {
            Ok(true)
        }
        Err(error) => Err(error),
        Ok(_) => Ok(true),
    }
}

pub(super) async fn probe(context: &Context) -> Result<Probe, Error> {
    let service = service(context).await?;
    let drains = drains(context).await?;
    let python = interpreter::ask(context).await?;
    let environment = environment(&context.target)?;
    let runs_code = environment.as_ref().is_some_and(|environment| environment.kind != LOOPBACK);
    let submits = python.submits() && runs_code;
    let facts = json!({
        "service": service.word(),
        "python_version": python.version,
        "beam_version": python.beam_version,
        "environment": environment.as_ref().map(|environment| &environment.kind),
    });
    let mut warnings = warnings(context, service);
    warnings.extend(python.warning);
    if environment.is_none() {
        warnings.push(NO_ENVIRONMENT.into());
    }
    Ok(Probe {
        version: None,
        capabilities: capabilities(service, drains, submits, python.yaml),
        facts: facts.as_object().cloned().unwrap_or_default(),
        warnings,
    })
}

/// What services have between them.
pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[C::Batch, C::Streaming, C::PythonSubmit, C::YamlSubmit, C::Cancel, C::Drain, C::Metrics, C::Logging]
};

pub(in crate::runner) fn refusal(lacks: Capability) -> Option<Error> {
    match lacks {
        Capability::Cancel => Some(flow::no_cancel()),
        Capability::Drain => Some(flow::no_drain()),
        _ => lacks.refused_by(supports).or_else(|| code::recipe(&lacks.sample()?, "a job service").err()),
    }
}

fn capabilities(service: Service, drains: bool, submits: bool, yaml: bool) -> Vec<Capability> {
    use Capability as C;
    let ends = service != Service::Python;
    let rows = [
        // Python's runs a pipeline to its end before it reads more.
        (C::Streaming, ends),
        (C::PythonSubmit, submits),
        (C::YamlSubmit, submits && yaml),
        (C::Cancel, ends),
        (C::Drain, drains),
        (C::Metrics, ends),
    ];
    let lacks = |one: &C| rows.iter().any(|(capability, can)| capability == one && !can);
    CAPABILITIES.iter().copied().filter(|one| !lacks(one)).collect()
}

fn warnings(context: &Context, service: Service) -> Vec<String> {
    let plain = context.target.url.as_deref().is_some_and(travels_in_the_clear);
    let rows = [
        (plain, "calls to this target travel unencrypted: use https, or keep it on loopback"),
        (true, "the service keeps its jobs in memory: a restart forgets them"),
        (
            service == Service::Python,
            "Beam's Python job service answers CANCELLED and lets the job go on: cancels are refused",
        ),
        (service == Service::Other, "this job service is none of those the product is tested with"),
    ];
    rows.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()).collect()
}

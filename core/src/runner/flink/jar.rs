//! Uploaded jars, found again by the hash in their name.

use super::{
    Flink, request,
    response::{self, Jar, Jars},
};
use crate::{
    effect::SourceId,
    error::{Error, Landed},
    job::Job,
    runner::Submission,
};

/// Longest part of a jar's name that comes from the file.
const STEM_BYTES: usize = 80;

/// A jar that was uploaded less than this ago may be about to be run by somebody else.
const SETTLED_MS: u64 = 10 * 60 * 1000;

/// Name a jar is uploaded under: `<sha256>-<file>.jar`, so that the same bytes are found again.
pub(super) fn content_name(sha256: &str, file_name: &str) -> String {
    let stem = file_name.strip_suffix(".jar").unwrap_or(file_name);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem: String = stem.chars().map(plain).take(STEM_BYTES).collect();
    format!("{sha256}-{stem}.jar")
}

/// What of a submission an upload needs.
pub(super) struct Code<'a> {
    source: &'a SourceId,
    pub(super) name: String,
    size: u64,
}

/// The jar of a submission.
pub(super) fn code(submission: &Submission) -> Result<Code<'_>, Error> {
    let (Some(source), Some(sha256)) = (&submission.source, &submission.sha256) else {
        return Err(Error::misuse("a Flink submission without a staged jar"));
    };
    let name = content_name(sha256, submission.file_name.as_deref().unwrap_or("job"));
    let size = submission.settings.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0);
    Ok(Code { source, name, size })
}

impl Flink {
    /// Id of the jar on the cluster; uploads it when it is not there. Whatever fails here, no job runs because of it.
    pub(super) async fn jar_id(&self, submission: &Submission) -> Result<String, Error> {
        let code = code(submission)?;
        if let Some(jar) = self.find_jar(&code.name).await? {
            return Ok(jar.id);
        }
        let request = request::upload_request(&self.context.target, code.source, &code.name, code.size);
        let uploaded = self.write(request, response::uploaded_jar_id).await;
        uploaded.map_err(|error| error.landed_as(Landed::No))
    }

    /// The newest jar of this name.
    async fn find_jar(&self, name: &str) -> Result<Option<Jar>, Error> {
        let jars = self.read(request::jars_request(&self.context.target), response::read::<Jars>).await;
        let jars = jars.map_err(|error| error.landed_as(Landed::No))?;
        Ok(jars.files.into_iter().filter(|jar| jar.name == name).max_by_key(|jar| jar.uploaded))
    }

    /// Deletes the jar of a job that has ended. A running job does not need its jar any more, but another submission
    /// may be between finding it and running it: a young one stays.
    pub(super) async fn delete_jar(&self, job: &Job) -> Result<(), Error> {
        let Some(submission) = job.submission.as_ref().filter(|_| job.state.is_terminal()) else { return Ok(()) };
        let Some(jar) = self.find_jar(&code(submission)?.name).await? else { return Ok(()) };
        if self.context.io.now().wall_ms.saturating_sub(jar.uploaded) < SETTLED_MS {
            return Ok(());
        }
        let request = request::delete_jar_request(&self.context.target, &jar.id);
        self.write(request, response::read::<serde::de::IgnoredAny>).await.map(|_| ())
    }
}

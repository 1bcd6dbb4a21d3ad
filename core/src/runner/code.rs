//! Code a caller names: a path beneath the server's roots or an uploaded artifact, staged under its hash.

use crate::{
    effect::{Origin, Recipe, Refusal, Source, SourceId},
    error::{Error, ErrorKind, Landed},
    flow::Io,
};

/// Where the bytes of a `code_path` come from.
///
/// # Errors
/// `invalid_argument`, reason `bad_artifact`, when it begins like an artifact and is none.
pub fn origin(code_path: &str) -> Result<Origin, Error> {
    let Some(id) = code_path.strip_prefix("artifact:") else { return Ok(Origin::Path(code_path.to_owned())) };
    let hex = id.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(Origin::Artifact(SourceId(id.to_owned())));
    }
    Err(Error::invalid("bad_artifact", "an artifact is named `artifact:sha256:<64 hex digits>`")
        .with("code_path", code_path)
        .suggest("take the name from the answer to POST /api/v1/artifacts"))
}

/// Stages what a recipe says; a refusal becomes an error that names no path but the caller's.
///
/// # Errors
/// [`refused`], and those of [`Io::stage`].
pub async fn stage(io: &Io, recipe: Recipe) -> Result<Source, Error> {
    io.stage(recipe).await?.map_err(|refusal| refused(&refusal))
}

/// The error of a refused recipe or launch; nothing was started.
pub fn refused(refusal: &Refusal) -> Error {
    let message = |text: &str| if refusal.detail.is_empty() { text.to_owned() } else { refusal.detail.clone() };
    let (kind, text, suggestion) = meaning(&refusal.reason);
    Error::new(kind, refusal.reason.clone(), message(text)).suggest(suggestion).landed_as(Landed::No)
}

fn meaning(reason: &str) -> (ErrorKind, &'static str, &'static str) {
    use ErrorKind as K;
    match reason {
        "not_found" => (K::NotFound, "there is no such file", "check the path, or upload it as an artifact"),
        "outside_roots" => (
            K::PermissionDenied,
            "the path is not beneath the server's roots",
            "move the file beneath a root, upload it as an artifact, or ask the operator to add a root",
        ),
        "symlink" => (K::InvalidArgument, "the path leads through a symbolic link", "name the real path"),
        "not_a_file" => (K::InvalidArgument, "the path is not a regular file", "name a file"),
        "bad_name" => {
            (K::InvalidArgument, "the path cannot be a file's name", "name a file beneath the server's roots")
        }
        "too_large" => (K::PayloadTooLarge, "the file is too large", "send less"),
        "bad_archive" => (K::InvalidArgument, "the zip archive is broken or too large", "build the archive again"),
        "limit" => (K::RateLimited, "as many jobs as allowed run there", "wait for a job to end, or cancel one"),
        "no_program" => (
            K::FailedPrecondition,
            "the program is not there",
            "ask the operator to correct the target's configuration; list_runners shows what is missing",
        ),
        "no_folder" => (
            K::FailedPrecondition,
            "the folder from which the cluster reads jars is not there",
            "ask the operator to make the target's `jar_folder` and to let the server write to it",
        ),
        "already_ran" => (K::FailedPrecondition, "this job was started before", "submit it as a new job"),
        "disk_full" => (K::Unavailable, "the server's disk is full", "ask the operator for room and call again"),
        _ => (K::Internal, "the file cannot be read", "ask the operator to check the server's log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_artifact_are_told_apart() {
        assert_eq!(origin("jobs/a.py").unwrap(), Origin::Path("jobs/a.py".into()));
        let id = format!("sha256:{}", "a".repeat(64));
        assert_eq!(origin(&format!("artifact:{id}")).unwrap(), Origin::Artifact(SourceId(id)));
        for bad in ["artifact:", "artifact:sha256:../../etc/passwd", "artifact:md5:aa"] {
            assert_eq!(origin(bad).unwrap_err().reason(), "bad_artifact", "{bad}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_word_and_says_what_to_do() {
        let error = refused(&Refusal { reason: "outside_roots".into(), detail: String::new() });
        assert_eq!((error.kind(), error.reason()), (ErrorKind::PermissionDenied, "outside_roots"));
        assert!(error.suggestion().contains("artifact"));
        assert_eq!(refused(&Refusal { reason: "new_word".into(), detail: "x".into() }).message(), "x");
    }
}

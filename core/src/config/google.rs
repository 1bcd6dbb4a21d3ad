//! What a Dataflow target needs, and what it is given where the operator says nothing.

use super::{CredentialRef, RunnerKind, Target, TokenSource, check::bad};
use crate::error::Error;

/// The region of a target that watches all of them.
pub const ALL_REGIONS: &str = "-";
/// Google's own address; calls name the region in their path.
const SERVICE: &str = "https://dataflow.googleapis.com";
const LOGGING: &str = "https://logging.googleapis.com";

/// Google's own service is asked with Google's default credentials. A token of them goes nowhere else unasked.
pub(super) fn complete(target: &mut Target) {
    if target.runner == RunnerKind::Dataflow && target.url.is_none() {
        target.url = Some(SERVICE.to_owned());
        target.logging_url.get_or_insert_with(|| LOGGING.to_owned());
        target.credential.get_or_insert_with(|| CredentialRef {
            token: Some(TokenSource::GoogleDefault),
            ..CredentialRef::default()
        });
    }
}

pub(super) fn check(path: &str, target: &Target) -> Result<(), Error> {
    if target.runner != RunnerKind::Dataflow {
        return Ok(());
    }
    let plain = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
        text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits)
    };
    let needs = "a Dataflow target is one project in one region";
    if !target.project.as_deref().is_some_and(|project| plain(project, "-.:")) {
        return Err(bad(&format!("{path}.project"), &format!("{needs}: the id of the project is expected")));
    }
    if !target.region.as_deref().is_some_and(|region| region == ALL_REGIONS || plain(region, "-")) {
        let expected = "a region such as us-central1 is expected, or `-` to watch all";
        return Err(bad(&format!("{path}.region"), &format!("{needs}: {expected}")));
    }
    match target.template_prefixes.iter().find(|prefix| !prefix.starts_with("gs://")) {
        Some(other) => Err(bad(&format!("{path}.template_prefixes"), &format!("`{other}` is no gs:// path"))),
        None => check_options(path, target),
    }
}

/// What names the place is the target's own, so it is no option.
fn check_options(path: &str, target: &Target) -> Result<(), Error> {
    match target.options.keys().find(|name| matches!(name.as_str(), "project" | "region")) {
        Some(name) => Err(bad(&format!("{path}.options.{name}"), &format!("write it as `{path}.{name}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::{Config, TokenSource};

    fn read(target: impl serde::Serialize) -> Result<crate::config::Target, crate::error::Error> {
        Config::from_json(&json!({"targets": {"df": target}})).map(|mut config| config.targets.remove("df").unwrap())
    }

    #[test]
    fn a_dataflow_target_is_one_project_in_one_region() {
        let own = read(json!({"runner": "dataflow", "project": "p-1", "region": "europe-west1"})).unwrap();
        read(json!({"runner": "dataflow", "project": "p-1", "region": "-"})).unwrap();
        assert_eq!(own.url.as_deref(), Some("https://dataflow.googleapis.com"));
        assert_eq!(own.logging_url.as_deref(), Some("https://logging.googleapis.com"));
        assert_eq!(own.credential.unwrap().token, Some(TokenSource::GoogleDefault));
        for (target, key) in [
            (json!({"runner": "dataflow", "region": "r"}), "targets.df.project"),
            (json!({"runner": "dataflow", "project": "P", "region": "r"}), "targets.df.project"),
            (json!({"runner": "dataflow", "project": "p"}), "targets.df.region"),
            (json!({"runner": "dataflow", "project": "p", "region": "r/../x"}), "targets.df.region"),
            (json!({"runner": "dataflow", "project": "p", "region": "--"}), "targets.df.region"),
            (
                json!({"runner": "dataflow", "project": "p", "region": "r", "options": {"region": "x"}}),
                "options.region",
            ),
            (json!({"runner": "dataflow", "project": "p", "region": "r", "template_prefixes": ["s3://x"]}), "prefixes"),
        ] {
            let error = read(target.clone()).unwrap_err();
            assert!(error.message().contains(key), "{target}: {error}");
        }
    }

    #[test]
    fn a_token_of_google_goes_to_google_unless_the_operator_says_so() {
        let elsewhere = json!({"runner": "dataflow", "project": "p", "region": "r", "url": "http://127.0.0.1:1"});
        let elsewhere = read(elsewhere).unwrap();
        assert_eq!((elsewhere.credential, elsewhere.logging_url), (None, None));
    }

    #[test]
    fn a_credential_is_a_secret_or_a_token() {
        let with = |credential: Value| {
            read(json!({"runner": "dataflow", "project": "p", "region": "r", "credential": credential}))
        };
        for good in [
            json!({"token": "google_default"}),
            json!({"token": {"google_key": "file:/k.json"}}),
            json!({"token": {"google_metadata": "default"}}),
            json!({"token": {"command": ["/usr/bin/token", "print"]}}),
            json!({"token": {"file": "/run/token"}}),
            json!({"secret": "env:TOKEN", "prefix": "Bearer "}),
        ] {
            with(good).unwrap();
        }
        for bad in [
            json!({}),
            json!({"secret": "env:A", "token": "google_default"}),
            json!({"token": {"google_key": "{\"type\": \"service_account\"}"}}),
            json!({"token": {"google_metadata": "a/b"}}),
            json!({"token": {"command": []}}),
            json!({"token": {"command": ["gcloud"]}}),
            json!({"token": {"file": "run/token"}}),
            json!({"token": "google_magic"}),
        ] {
            assert!(with(bad.clone()).unwrap_err().message().contains("targets.df.credential"), "{bad}");
        }
    }
}

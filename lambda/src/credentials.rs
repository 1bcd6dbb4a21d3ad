//! Secrets of targets: named in the configuration, read here, shown nowhere.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use beam_mcp_core::config::{CredentialRef, Target};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// Longest secret read from a file, in bytes.
const LONGEST: u64 = 64 << 10;

/// Credentials by the name of their target.
#[derive(Debug, Default)]
pub struct Credentials {
    slots: BTreeMap<String, Slot>,
}

struct Slot {
    reference: CredentialRef,
    kept: Mutex<Option<Attachment>>,
}

/// A header that carries a secret; its value is marked sensitive and has no readable form.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}

/// Why a credential cannot be had; holds no part of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoCredential(pub &'static str);

impl Credentials {
    /// The credentials that targets name; none is read yet.
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Self {
        let slot = |target: &Target| {
            let reference = target.credential.clone()?;
            Some((target.name.clone(), Slot { reference, kept: Mutex::new(None) }))
        };
        Self { slots: targets.into_iter().filter_map(slot).collect() }
    }

    /// True when the configuration names a credential for the target.
    pub fn has(&self, target: &str) -> bool {
        self.slots.contains_key(target)
    }

    /// The header for a target's credential, read when it was not read before.
    ///
    /// # Errors
    /// [`NoCredential`]: not configured, not set, not readable.
    pub async fn get(&self, target: &str) -> Result<Attachment, NoCredential> {
        let slot = self.slots.get(target).ok_or(NoCredential("the target has no credential"))?;
        let kept = slot.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match kept {
            Some(attachment) => Ok(attachment),
            None => slot.read().await,
        }
    }

    /// Reads the credential again after a refusal; `None` when it is still the refused one.
    ///
    /// # Errors
    /// As [`Credentials::get`].
    pub async fn renew(&self, target: &str, refused: &Attachment) -> Result<Option<Attachment>, NoCredential> {
        let slot = self.slots.get(target).ok_or(NoCredential("the target has no credential"))?;
        Ok(Some(slot.read().await?).filter(|fresh| fresh.value != refused.value))
    }
}

impl Slot {
    async fn read(&self) -> Result<Attachment, NoCredential> {
        let secret = read_secret(&self.reference.secret).await?;
        let attachment = attachment(&self.reference, secret.trim())?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(attachment.clone());
        Ok(attachment)
    }
}

fn attachment(reference: &CredentialRef, secret: &str) -> Result<Attachment, NoCredential> {
    let name = reference.header.as_deref().map_or(Ok(AUTHORIZATION), |name| HeaderName::from_bytes(name.as_bytes()));
    let name = name.map_err(|_| NoCredential("the credential's header name is not a header name"))?;
    let text = format!("{}{secret}", reference.prefix.as_deref().unwrap_or_default());
    let mut value = HeaderValue::from_str(&text).map_err(|_| NoCredential("the secret does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(Attachment { name, value })
}

/// The secret behind `env:NAME` or `file:PATH`.
pub(crate) async fn read_secret(reference: &str) -> Result<String, NoCredential> {
    let secret = match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|_| NoCredential("its environment variable is not set"))?,
        Some(("file", path)) => read_file(path).await?,
        _ => return Err(NoCredential("its reference is neither env:NAME nor file:PATH")),
    };
    if secret.trim().is_empty() { Err(NoCredential("the secret is empty")) } else { Ok(secret) }
}

async fn read_file(path: &str) -> Result<String, NoCredential> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path).await.map_err(|_| NoCredential("its file cannot be opened"))?;
    let mut secret = String::new();
    let read = file.take(LONGEST).read_to_string(&mut secret).await;
    read.map(|_| secret).map_err(|_| NoCredential("its file cannot be read"))
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Slot").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::config::RunnerKind;

    use super::*;

    fn credentials(secret: &str) -> Credentials {
        let mut target = Target::new("flink", RunnerKind::Flink);
        let prefix = Some("Bearer ".to_owned());
        target.credential = Some(CredentialRef { header: None, prefix, secret: secret.to_owned() });
        Credentials::of([&target])
    }

    #[tokio::test]
    async fn a_file_is_read_once_and_again_after_a_refusal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\n").unwrap();
        let credentials = credentials(&format!("file:{}", file.path().display()));
        let first = credentials.get("flink").await.unwrap();
        assert_eq!((first.name.as_str(), first.value.as_bytes()), ("authorization", &b"Bearer one"[..]));
        assert_eq!(credentials.renew("flink", &first).await, Ok(None));
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(credentials.get("flink").await.unwrap(), first);
        let second = credentials.renew("flink", &first).await.unwrap().unwrap();
        assert_eq!(second.value.as_bytes(), b"Bearer two");
        assert!(!format!("{second:?} {credentials:?}").contains("two"));
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_said_without_its_value() {
        for (reference, reason) in [
            ("env:BEAM_MCP_SURELY_UNSET", "its environment variable is not set"),
            ("file:/nonexistent/secret", "its file cannot be opened"),
            ("hunter2", "its reference is neither env:NAME nor file:PATH"),
        ] {
            assert_eq!(credentials(reference).get("flink").await, Err(NoCredential(reason)));
        }
        let pasted = credentials("hunter2");
        assert!(pasted.get("other").await.is_err());
        assert!(!format!("{pasted:?}").contains("hunter2"));
    }
}

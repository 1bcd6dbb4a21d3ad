//! Secrets of targets: named in the configuration, read or fetched here, shown nowhere.

mod google;
mod token;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_mcp_core::config::{CredentialRef, Target};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::Instant;

/// Longest secret read from a file, in bytes.
const LONGEST: u64 = 64 << 10;
/// A token is fetched again this long before its end, or halfway where it lives shorter than twice that.
const EARLY: Duration = Duration::from_secs(300);
/// While a token still lives, a source that fails is asked again after this.
const AGAIN: Duration = Duration::from_secs(30);

/// Credentials by the name of their target.
#[derive(Debug, Default)]
pub struct Credentials {
    slots: BTreeMap<String, Slot>,
}

struct Slot {
    reference: CredentialRef,
    kept: Mutex<Option<Kept>>,
    /// Held by the one that reads or fetches; the others wait for what it brings.
    reading: tokio::sync::Mutex<()>,
}

/// What was read, until when it is used without asking again, and until when it can be used at all.
#[derive(Clone)]
struct Kept {
    attachment: Attachment,
    fresh_until: Option<Instant>,
    good_until: Option<Instant>,
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
            let (kept, reading) = (Mutex::new(None), tokio::sync::Mutex::default());
            Some((target.name.clone(), Slot { reference, kept, reading }))
        };
        Self { slots: targets.into_iter().filter_map(slot).collect() }
    }

    /// True when the configuration names a credential for the target.
    pub fn has(&self, target: &str) -> bool {
        self.slots.contains_key(target)
    }

    /// The header for a target's credential, read when it was not read before, or fetched anew before it ends.
    ///
    /// # Errors
    /// [`NoCredential`]: not configured, not set, not readable.
    pub async fn get(&self, target: &str) -> Result<Attachment, NoCredential> {
        let slot = self.slots.get(target).ok_or(NoCredential("the target has no credential"))?;
        if let Some(attachment) = slot.fresh() {
            return Ok(attachment);
        }
        let _one = slot.reading.lock().await;
        match slot.fresh() {
            Some(attachment) => Ok(attachment),
            None => slot.read().await.or_else(|error| slot.still_good().ok_or(error)),
        }
    }

    /// Reads the credential again after a refusal; `None` when it is still the refused one.
    ///
    /// # Errors
    /// As [`Credentials::get`].
    pub async fn renew(&self, target: &str, refused: &Attachment) -> Result<Option<Attachment>, NoCredential> {
        let slot = self.slots.get(target).ok_or(NoCredential("the target has no credential"))?;
        let _one = slot.reading.lock().await;
        // Another call may have renewed it since the refused header was taken.
        let now = slot.kept().as_ref().map(|kept| kept.attachment.clone());
        if let Some(other) = now.filter(|now| now.value != refused.value) {
            return Ok(Some(other));
        }
        Ok(Some(slot.read().await?).filter(|fresh| fresh.value != refused.value))
    }
}

impl Slot {
    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> Option<Attachment> {
        let kept = self.kept();
        let kept = kept.as_ref().filter(|kept| kept.fresh_until.is_none_or(|end| Instant::now() < end))?;
        Some(kept.attachment.clone())
    }

    /// The token there is, while it lives: its source is not asked again for a while.
    fn still_good(&self) -> Option<Attachment> {
        let mut kept = self.kept();
        let kept = kept.as_mut().filter(|kept| kept.good_until.is_some_and(|end| Instant::now() < end))?;
        kept.fresh_until = Some(Instant::now() + AGAIN);
        Some(kept.attachment.clone())
    }

    async fn read(&self) -> Result<Attachment, NoCredential> {
        let kept = match (&self.reference.secret, &self.reference.token) {
            (_, Some(source)) => {
                let (began, token) = (Instant::now(), token::fetch(source).await?);
                let fresh = token.lives.saturating_sub(EARLY).max(token.lives / 2);
                let attachment = attachment(&self.reference, "Bearer ", &token.secret)?;
                let (fresh_until, good_until) = (Some(began + fresh), Some(began + token.lives));
                Kept { attachment, fresh_until, good_until }
            }
            (Some(secret), None) => {
                let attachment = attachment(&self.reference, "", read_secret(secret).await?.trim())?;
                Kept { attachment, fresh_until: None, good_until: None }
            }
            (None, None) => return Err(NoCredential("neither a secret nor a token is configured")),
        };
        let attachment = kept.attachment.clone();
        *self.kept() = Some(kept);
        Ok(attachment)
    }
}

fn attachment(reference: &CredentialRef, prefix: &str, secret: &str) -> Result<Attachment, NoCredential> {
    let name = reference.header.as_deref().map_or(Ok(AUTHORIZATION), |name| HeaderName::from_bytes(name.as_bytes()));
    let name = name.map_err(|_| NoCredential("the credential's header name is not a header name"))?;
    let text = format!("{}{secret}", reference.prefix.as_deref().unwrap_or(prefix));
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
        target.credential = Some(CredentialRef { prefix, secret: Some(secret.to_owned()), ..CredentialRef::default() });
        Credentials::of([&target])
    }

    /// Credentials whose tokens a script prints; it can count its calls in the file `$0`.
    fn printing(script: &str, count: &std::path::Path) -> Credentials {
        let mut target = Target::new("df", RunnerKind::Dataflow);
        let argv = ["/bin/sh", "-c", script, &count.display().to_string()].map(str::to_owned).to_vec();
        let token = Some(beam_mcp_core::config::TokenSource::Command(argv));
        target.credential = Some(CredentialRef { token, ..CredentialRef::default() });
        Credentials::of([&target])
    }

    const COUNTING: &str = r#"echo x >>"$0"; printf '{"access_token": "t%d", "expires_in": 3600}' "$(wc -l <"$0")""#;

    #[tokio::test]
    async fn a_token_is_fetched_once_for_all_and_again_five_minutes_before_its_end() {
        let count = tempfile::NamedTempFile::new().unwrap();
        let credentials = std::sync::Arc::new(printing(COUNTING, count.path()));
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let credentials = credentials.clone();
                tokio::spawn(async move { credentials.get("df").await.unwrap() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().value.as_bytes(), b"Bearer t1");
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3_299)).await;
        tokio::time::resume();
        assert_eq!(credentials.get("df").await.unwrap().value.as_bytes(), b"Bearer t1");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        tokio::time::resume();
        let second = credentials.get("df").await.unwrap();
        assert_eq!(second.value.as_bytes(), b"Bearer t2");
        let third = credentials.renew("df", &second).await.unwrap().unwrap();
        assert_eq!(third.value.as_bytes(), b"Bearer t3");
        assert_eq!(credentials.renew("df", &second).await.unwrap().unwrap(), third, "renewed meanwhile");
    }

    #[tokio::test]
    async fn a_source_that_fails_takes_no_living_token_away() {
        let count = tempfile::NamedTempFile::new().unwrap();
        let once = format!("{COUNTING}; [ $(wc -l <\"$0\") -lt 2 ]");
        let credentials = printing(&once, count.path());
        let first = credentials.get("df").await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3_400)).await;
        tokio::time::resume();
        assert_eq!(credentials.get("df").await, Ok(first));
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(201)).await;
        tokio::time::resume();
        assert_eq!(credentials.get("df").await, Err(NoCredential("its program failed")));
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

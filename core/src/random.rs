//! Ids, nonces and jitter, all derived from the 32 random bytes of a call by one KDF.

use std::{borrow::Cow, sync::OnceLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Random bytes of one call: HMAC-SHA-256 in counter mode over a label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// From the bytes the host drew.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// 32 bytes for a purpose; the same label gives the same bytes.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        hmac(&self.0, &[label.as_bytes()])
    }

    /// A seed of its own for a purpose.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self(self.derive(label))
    }

    /// 32 hex digits for a purpose: the form of job tokens and trigger ids.
    pub fn hex128(&self, label: &str) -> String {
        hex(self.derive(label).get(..16).unwrap_or_default())
    }

    /// An even draw from `0..bound` (0 when bound is 0) for a purpose.
    pub fn below(&self, label: &str, bound: u64) -> u64 {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(self.derive(label)) {
            *to = from;
        }
        u64::from_be_bytes(eight).checked_rem(bound).unwrap_or(0)
    }
}

/// A seed of its own for a purpose ([`Seed::child`]), made when it is first drawn from: most calls draw nothing.
#[derive(Clone, Debug)]
pub struct Branch {
    root: Seed,
    purpose: Cow<'static, str>,
    seed: OnceLock<Seed>,
}

impl Branch {
    /// The branch of a seed for a purpose.
    pub fn new(root: Seed, purpose: impl Into<Cow<'static, str>>) -> Self {
        Self { root, purpose: purpose.into(), seed: OnceLock::new() }
    }

    /// The seed.
    pub fn seed(&self) -> &Seed {
        self.seed.get_or_init(|| self.root.child(&self.purpose))
    }
}

/// HMAC-SHA-256 over parts, each preceded by its length so that no two lists collide.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_the_child_of_its_purpose() {
        let seed = Seed::new([7; 32]);
        assert_eq!(Branch::new(seed, "rows").clone().seed(), &seed.child("rows"));
    }

    #[test]
    fn labels_give_different_and_repeatable_bytes() {
        let seed = Seed::new([7; 32]);
        assert_eq!(seed.hex128("job"), seed.hex128("job"));
        assert_ne!(seed.hex128("job"), seed.hex128("op"));
        assert_eq!(seed.hex128("job").len(), 32);
        assert!(seed.below("jitter", 10) < 10);
        assert_eq!(seed.below("jitter", 0), 0);
    }
}

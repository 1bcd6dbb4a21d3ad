use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Caller, Role};
use crate::random::sha256_hex;

/// A static token of the configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Name for the audit.
    pub name: String,
    /// SHA-256 of the token in lower-case hex.
    pub sha256: String,
    /// Tenant; `default` when left out.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Role.
    pub role: Role,
}

fn default_tenant() -> String {
    "default".into()
}

/// The token in an `Authorization` header; schemes are of any case (RFC 9110 section 11.1).
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The caller a presented token belongs to; compares every entry in constant time.
pub fn find_token(entries: &[TokenEntry], presented: &str) -> Option<Caller> {
    let digest = sha256_hex(presented.as_bytes());
    entries.iter().fold(None, |found, entry| {
        let same = bool::from(entry.sha256.as_bytes().ct_eq(digest.as_bytes()));
        found.or_else(|| same.then(|| caller(entry)))
    })
}

fn caller(entry: &TokenEntry) -> Caller {
    Caller { tenant: entry.tenant.clone(), principal: entry.name.clone(), scopes: entry.role.scopes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_of_a_token_is_of_any_case() {
        for (value, token) in [
            ("Bearer t", Some("t")),
            ("bearer  t ", Some("t")),
            ("BEARER t", Some("t")),
            ("Basic t", None),
            ("Bearer", None),
            ("Bearert", None),
        ] {
            assert_eq!(bearer(value), token, "{value}");
        }
    }

    #[test]
    fn only_the_right_token_is_found() {
        let entry =
            TokenEntry { name: "ci".into(), sha256: sha256_hex(b"secret"), tenant: "t".into(), role: Role::Viewer };
        assert_eq!(find_token(std::slice::from_ref(&entry), "secret").unwrap().principal, "ci");
        assert_eq!(find_token(&[entry], "Secret"), None);
    }
}

//! Signature Version 4 of the one shape of request this store sends: a POST to the root, all of it signed.
//!
//! # Source
//! AWS, "Signature Version 4 signing process"; the test compares with what botocore signs.

use beam_mcp_core::random::{hex, sha256_hex};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::credentials::AwsCredentials;

const SERVICE: &str = "dynamodb";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is signed.
pub(super) struct Unsigned<'a> {
    /// `host[:port]` as it is sent.
    pub(super) host: &'a str,
    /// AWS region.
    pub(super) region: &'a str,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(super) time: &'a str,
    /// Value of `x-amz-target`.
    pub(super) target: &'a str,
    /// The body.
    pub(super) body: &'a [u8],
}

impl Unsigned<'_> {
    /// The headers of the request, the signature among them.
    pub(super) fn headers(&self, credentials: &AwsCredentials) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", super::call::CONTENT_TYPE.to_owned()),
            ("host", self.host.to_owned()),
            ("x-amz-date", self.time.to_owned()),
        ];
        headers.extend(credentials.session_token.clone().map(|token| ("x-amz-security-token", token)));
        headers.push(("x-amz-target", self.target.to_owned()));
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let (names, scope) = (names.join(";"), self.scope());
        let lines = headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ":" + value + "\n");
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256_hex(self.body));
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.time, sha256_hex(canonical.as_bytes()));
        let signature = hex(&hmac(&self.key(&credentials.secret_key), &text));
        let id = &credentials.key_id;
        let value = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
        headers
    }

    fn date(&self) -> &str {
        self.time.get(..8).unwrap_or(self.time)
    }

    fn scope(&self) -> String {
        format!("{}/{}/{SERVICE}/aws4_request", self.date(), self.region)
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        let parts = [self.date(), self.region, SERVICE, "aws4_request"];
        parts.iter().fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part))
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(session_token: Option<&str>) -> String {
        let credentials = AwsCredentials {
            key_id: "id".into(),
            secret_key: "secret".into(),
            session_token: session_token.map(str::to_owned),
        };
        let unsigned = Unsigned {
            host: "127.0.0.1:8000",
            region: "eu-west-1",
            time: "20261125T160726Z",
            target: "DynamoDB_20120810.GetItem",
            body: br#"{"TableName":"jobs"}"#,
        };
        unsigned.headers(&credentials).pop().unwrap().1
    }

    #[test]
    fn requests_are_signed_as_botocore_signs_them() {
        let scope = "AWS4-HMAC-SHA256 Credential=id/20261125/eu-west-1/dynamodb/aws4_request";
        for (token, names, signature) in [
            (
                None,
                "content-type;host;x-amz-date;x-amz-target",
                "f59fe73a46f5d909ec0728659f1a198608909f92a8ee1556d3e61ba284c73af9",
            ),
            (
                Some("token"),
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                "05a76849863696fbfeb9428dd37f038eb35bf45070ed014b86cc7e50a83f539c",
            ),
        ] {
            assert_eq!(authorization(token), format!("{scope}, SignedHeaders={names}, Signature={signature}"));
        }
    }
}

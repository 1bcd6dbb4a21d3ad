//! Google's ways to a token: a service account's key (RFC 7523), an authorised user's refresh token, the metadata server
//! of the machine, and the order in which Google's own clients try them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use beam_mcp_core::url::encode;
use reqwest::{Response, StatusCode, Url};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use serde_json::json;

use super::{
    NoCredential, read_file,
    token::{Token, parse},
};
use crate::http_send::http_client;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where an authorised user's token is refreshed; a service account's key names the place itself.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Life of an assertion, and of a token whose answer does not say.
const HOUR: Duration = Duration::from_secs(3600);
const METADATA_HOST: &str = "metadata.google.internal";
/// Longest answer read.
const LONGEST: usize = 64 << 10;

/// A key file.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Key {
    ServiceAccount { client_email: String, private_key: String, private_key_id: String, token_uri: String },
    AuthorizedUser { client_id: String, client_secret: String, refresh_token: String, token_uri: Option<String> },
}

/// The file `GOOGLE_APPLICATION_CREDENTIALS` names, else the one gcloud leaves, else the metadata server.
pub(super) async fn by_default() -> Result<Token, NoCredential> {
    if let Ok(path) = std::env::var("GOOGLE_APPLICATION_CREDENTIALS") {
        return by_key(&read_file(&path).await?).await;
    }
    let left = std::env::var("HOME").map(|home| format!("{home}/.config/gcloud/application_default_credentials.json"));
    match left {
        Ok(path) if tokio::fs::try_exists(&path).await.unwrap_or(false) => by_key(&read_file(&path).await?).await,
        _ => by_metadata("default").await,
    }
}

pub(super) async fn by_key(text: &str) -> Result<Token, NoCredential> {
    let key: Key = serde_json::from_str(text)
        .map_err(|_| NoCredential("its key is not the JSON of a service account or an authorised user"))?;
    match key {
        Key::ServiceAccount { client_email, private_key, private_key_id, token_uri } => {
            let assertion = assertion(&client_email, &private_key, &private_key_id, &token_uri)?;
            let grant = encode("urn:ietf:params:oauth:grant-type:jwt-bearer");
            exchange(&token_uri, format!("grant_type={grant}&assertion={assertion}")).await
        }
        Key::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
            let [id, secret, token] = [client_id, client_secret, refresh_token].map(|text| encode(&text));
            let form = format!("grant_type=refresh_token&client_id={id}&client_secret={secret}&refresh_token={token}");
            exchange(token_uri.as_deref().unwrap_or(TOKEN_URI), form).await
        }
    }
}

/// A signed claim that we are the account (RS256).
fn assertion(email: &str, pem: &str, key_id: &str, audience: &str) -> Result<String, NoCredential> {
    let unusable = NoCredential("its private key cannot be used");
    let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable)? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(unusable),
    };
    let pair = pair.map_err(|_| unusable)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| unusable)?.as_secs();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let claims = json!({"iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + HOUR.as_secs()});
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    let made = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
    made.map_err(|_| unusable)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

async fn exchange(uri: &str, form: String) -> Result<Token, NoCredential> {
    let url = Url::parse(uri).map_err(|_| NoCredential("its token address is no URL"))?;
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(NoCredential("its token address is not https"));
    }
    let client = http_client(url.scheme() == "https").map_err(|_| NoCredential("no TLS client can be made here"))?;
    let call = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer = call.send().await.map_err(|_| NoCredential("its token address does not answer"))?;
    match answer.status() {
        StatusCode::OK => parse(&body(answer).await?, HOUR),
        status if status.is_client_error() => Err(NoCredential("Google refused the key")),
        _ => Err(NoCredential("its token address cannot serve now")),
    }
}

/// A token of an account of the machine. `GCE_METADATA_HOST` names another host, as for Google's own clients.
pub(super) async fn by_metadata(account: &str) -> Result<Token, NoCredential> {
    let host = std::env::var("GCE_METADATA_HOST").unwrap_or_else(|_| METADATA_HOST.to_owned());
    let path = format!("computeMetadata/v1/instance/service-accounts/{}/token", encode(account));
    let url = format!("http://{host}/{path}?scopes={}", encode(SCOPE));
    let client = http_client(false).map_err(|_| NoCredential("no client can be made here"))?;
    let call = client.get(url).header("metadata-flavor", "Google");
    let answer = call.send().await.map_err(|_| NoCredential("there is no metadata server on this machine"))?;
    if answer.headers().get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err(NoCredential("what answers as the metadata server is none of Google's"));
    }
    match answer.status() {
        StatusCode::OK => parse(&body(answer).await?, HOUR),
        _ => Err(NoCredential("the metadata server has no token for the account")),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]"))
}

async fn body(mut answer: Response) -> Result<String, NoCredential> {
    let unreadable = NoCredential("the answer with the token cannot be read");
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| unreadable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST {
            return Err(unreadable);
        }
    }
    String::from_utf8(bytes).map_err(|_| unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer, peer};

    const TOKEN: &str = r#"{"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}"#;

    #[tokio::test]
    async fn a_user_key_is_refreshed_and_a_refusal_is_told_without_it() {
        let (url, mut seen) = peer(vec![answer(200, "", TOKEN), answer(400, "", "{}"), answer(503, "", "")]).await;
        let key = json!({"type": "authorized_user", "client_id": "i d", "client_secret": "s", "refresh_token": "1//r",
            "token_uri": format!("{url}/token")})
        .to_string();
        let token = by_key(&key).await.ok().unwrap();
        assert_eq!((token.secret.as_str(), token.lives.as_secs()), ("ya29.x", 3599));
        let sent = seen.recv().await.unwrap();
        assert!(
            sent.ends_with("grant_type=refresh_token&client_id=i%20d&client_secret=s&refresh_token=1%2F%2Fr"),
            "{sent}"
        );
        assert_eq!(by_key(&key).await.err(), Some(NoCredential("Google refused the key")));
        assert_eq!(by_key(&key).await.err(), Some(NoCredential("its token address cannot serve now")));
    }

    #[tokio::test]
    async fn a_key_that_is_none_is_told_and_nothing_is_sent_in_the_clear() {
        let user = |uri: &str| {
            json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r", "token_uri": uri})
                .to_string()
        };
        let account = json!({"type": "service_account", "client_email": "e", "private_key": "x", "private_key_id": "k",
            "token_uri": "https://127.0.0.1:1/token"})
        .to_string();
        for (key, reason) in [
            ("{}".to_owned(), "its key is not the JSON of a service account or an authorised user"),
            (account, "its private key cannot be used"),
            (user("http://token.example/"), "its token address is not https"),
            (user("nonsense"), "its token address is no URL"),
            (user("http://127.0.0.1:1/"), "its token address does not answer"),
        ] {
            assert_eq!(by_key(&key).await.err(), Some(NoCredential(reason)), "{key}");
        }
    }
}

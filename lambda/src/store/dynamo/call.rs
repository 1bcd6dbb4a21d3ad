use std::time::Duration;

use beam_mcp_core::clock::rfc3339;
use reqwest::{Client, Request, Response, Url};
use serde_json::Value;

use super::{credentials::AwsCredentials, patience::Patience, sign::Unsigned};
use crate::{
    clock::unix_ms,
    http_send::http_client,
    logging::{Level, Line},
};

/// Largest answer: a batch of items is at most 16 MB, and JSON adds to it.
const LARGEST: usize = 24 << 20;
pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Signed calls to the service.
#[derive(Debug)]
pub(super) struct Calls {
    http: Client,
    url: Url,
    host: String,
    region: String,
    credentials: AwsCredentials,
}

/// Why a call did not do what was asked.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// Nothing was done: too much is asked of the table. Another try may help.
    Throttled,
    /// Nothing was written: what was read before has moved.
    Moved,
    /// Nobody knows whether it was done.
    Doubt(&'static str),
    /// Nothing was done, and no other try would help.
    Refused(&'static str),
}

impl Fault {
    /// The machine word of [`beam_mcp_core::store::StoreReply::Failed`].
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Moved => "busy",
            Self::Doubt(reason) | Self::Refused(reason) => reason,
        }
    }

    pub(super) fn is_doubt(&self) -> bool {
        matches!(self, Self::Doubt(_))
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl Calls {
    pub(super) fn new(region: String, endpoint: Option<String>, credentials: AwsCredentials) -> Result<Self, String> {
        let url = endpoint.unwrap_or_else(|| format!("https://dynamodb.{region}.amazonaws.com"));
        let url = Url::parse(&url).map_err(|error| format!("{url}: {error}"))?;
        if url.path() != "/" {
            return Err(format!("{url}: an endpoint has no path"));
        }
        let name = url.host_str().ok_or_else(|| format!("{url}: names no host"))?;
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let http = http_client(url.scheme() == "https").map_err(|error| error.to_string())?;
        Ok(Self { http, url, host, region, credentials })
    }

    /// A call that may be made as often as need be.
    pub(super) async fn read(&self, action: &str, body: &Value, patience: &mut Patience) -> Result<Value, Fault> {
        loop {
            match self.once(action, body, patience.call_limit()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => patience.rest(fault).await?,
            }
        }
    }

    /// One call, sent once.
    pub(super) async fn once(&self, action: &str, body: &Value, limit: Duration) -> Result<Value, Fault> {
        let request = self.request(action, body).map_err(|error| refused("unsigned", &error))?;
        let exchange = async {
            let answer = self.http.execute(request).await.map_err(|_| Fault::Doubt("unreachable"))?;
            let status = answer.status().as_u16();
            Ok((status, read(answer).await?))
        };
        let timed = tokio::time::timeout(limit, exchange).await;
        let (status, answer) = timed.unwrap_or(Err(Fault::Doubt("timeout")))?;
        if status == 200 { Ok(answer) } else { Err(fault(status, &answer)) }
    }

    fn request(&self, action: &str, body: &Value) -> Result<Request, String> {
        let (body, target) = (body.to_string(), format!("DynamoDB_20120810.{action}"));
        let unsigned = Unsigned {
            host: &self.host,
            region: &self.region,
            time: &basic_format(unix_ms()),
            target: &target,
            body: body.as_bytes(),
        };
        let headers = unsigned.headers(&self.credentials);
        let request = headers
            .into_iter()
            .fold(self.http.post(self.url.clone()), |request, (name, value)| request.header(name, value));
        request.body(body).build().map_err(|error| error.to_string())
    }
}

/// `YYYYMMDDTHHMMSSZ`
fn basic_format(unix_ms: u64) -> String {
    let text = rfc3339(unix_ms);
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

async fn read(mut answer: Response) -> Result<Value, Fault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| Fault::Doubt("cut"))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            return Err(Fault::Doubt("too_large"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| Fault::Doubt("unreadable"))
}

fn fault(status: u16, answer: &Value) -> Fault {
    let kind = answer["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default();
    let text = answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or_default();
    match kind {
        "ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" => Fault::Throttled,
        "TransactionInProgressException" => Fault::Doubt("in_progress"),
        "TransactionCanceledException" => cancelled(answer, text),
        "ResourceNotFoundException" => refused("no_table", text),
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException" => refused("access_denied", text),
        _ if status >= 500 => Fault::Doubt("internal"),
        _ => refused("rejected", text),
    }
}

/// A transaction that was not made, by the reasons of its items.
fn cancelled(answer: &Value, text: &str) -> Fault {
    let reasons = answer["CancellationReasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let any = |codes: &[&str]| reasons.iter().any(|r| r["Code"].as_str().is_some_and(|code| codes.contains(&code)));
    if any(&["ConditionalCheckFailed", "TransactionConflict"]) {
        Fault::Moved
    } else if any(&["ThrottlingError", "ProvisionedThroughputExceeded"]) {
        Fault::Throttled
    } else {
        refused("rejected", text)
    }
}

/// What the service said goes to the log: a person must act.
fn refused(reason: &'static str, text: &str) -> Fault {
    Line::new(Level::Error, "store_refused").text("reason", Some(reason)).text("error", Some(text)).send();
    Fault::Refused(reason)
}

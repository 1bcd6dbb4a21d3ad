//! Records in one `DynamoDB` table (security-reliability.md 4.6).
//!
//! Every read is strongly consistent, every commit one transaction whose conditions name what was read before, so that
//! the commit is judged by the same rule as in the other stores. The service's own transaction token spares a repeated
//! delivery and decides nothing: it is forgotten after ten minutes, and emulators ignore it.

mod call;
mod credentials;
mod item;
mod patience;
mod place;
mod scan;
mod sign;
mod write;

use std::time::Duration;

use beam_mcp_core::{
    config::DynamoConfig,
    store::{Commit, Key, Op, Page, Record, StoreReply, Write},
};
use serde_json::json;

use self::{
    call::{Calls, Fault},
    item::{key_of, record_of},
    patience::Patience,
};
use super::{
    commit::{Stamp, Verdict, judge},
    failed,
};
use crate::config_file::Environment;

pub use self::credentials::AwsCredentials;

/// Longest one operation is tried; the core asks again at most three times (security-reliability.md 4.4).
const LONGEST: Duration = Duration::from_secs(4);

/// Records in one `DynamoDB` table.
#[derive(Debug)]
pub struct DynamoStore {
    calls: Calls,
    table: String,
    longest: Duration,
}

/// Where a table is.
#[derive(Clone, Debug)]
pub struct DynamoTable {
    /// Its name.
    pub table: String,
    /// AWS region.
    pub region: String,
    /// Base URL; `None`: the service's own of the region.
    pub endpoint: Option<String>,
}

impl DynamoTable {
    /// The table of a configuration; its region is the function's own unless it names one.
    ///
    /// # Errors
    /// A sentence: no region.
    pub fn of(config: &DynamoConfig, environment: &Environment) -> Result<Self, String> {
        let own = || environment.get("AWS_REGION").cloned();
        let region = config.region.clone().or_else(own).ok_or("set `store.dynamodb.region` or AWS_REGION")?;
        Ok(Self { table: config.table.clone(), region, endpoint: config.endpoint.clone() })
    }
}

impl DynamoStore {
    /// A store on a table; nothing is asked yet.
    ///
    /// # Errors
    /// The endpoint is no URL, or no HTTP client can be made.
    pub fn open(place: DynamoTable, credentials: AwsCredentials) -> Result<Self, String> {
        Ok(Self { calls: Calls::new(place.region, place.endpoint, credentials)?, table: place.table, longest: LONGEST })
    }

    pub(super) async fn perform(&self, op: Op) -> StoreReply {
        let mut patience = Patience::new(self.longest);
        let reply = match op {
            Op::Get { key } => self.get(&key, &mut patience).await.map(|record| StoreReply::Record { record }),
            Op::Scan(scan) => self.scan(&scan, &mut patience).await.map(|records| StoreReply::Page(Page { records })),
            Op::Commit(commit) => self.commit(&commit, &mut patience).await,
        };
        reply.unwrap_or_else(|fault| failed(fault.reason()))
    }

    async fn get(&self, key: &Key, patience: &mut Patience) -> Result<Option<Record>, Fault> {
        let request = json!({"TableName": self.table, "Key": key_of(key), "ConsistentRead": true});
        let answer = self.calls.read("GetItem", &request, patience).await?;
        answer.get("Item").map(record_of).transpose()
    }

    /// Reads, judges, writes under the condition that nothing moved; again while something did.
    async fn commit(&self, commit: &Commit, patience: &mut Patience) -> Result<StoreReply, Fault> {
        let mut in_doubt = false;
        loop {
            let stored = self.stamps(commit, patience).await?;
            let fault = match judge(commit, &stored) {
                // Read while the transaction landed, perhaps: what it left is read once more.
                Verdict::Made(_) => return self.made(commit, patience).await,
                Verdict::Conflict(index) => {
                    let current = self.get(&commit.writes[index].key, patience).await?;
                    return Ok(StoreReply::Conflict { index, current });
                }
                Verdict::Write(_) if in_doubt && write::is_signed(commit, &stored) => {
                    return self.made(commit, patience).await;
                }
                Verdict::Write(versions) => match self.write(commit, &stored, &versions, patience.call_limit()).await {
                    Ok(()) => return Ok(StoreReply::Committed { versions }),
                    Err(fault) => fault,
                },
            };
            in_doubt |= fault.is_doubt();
            patience.rest(fault).await?;
        }
    }

    async fn made(&self, commit: &Commit, patience: &mut Patience) -> Result<StoreReply, Fault> {
        let stored = self.stamps(commit, patience).await?;
        let version = |(write, stamp): (&Write, &Option<Stamp>)| {
            stamp.as_ref().filter(|_| write.put.is_some()).map_or(0, |stamp| stamp.version)
        };
        Ok(StoreReply::Committed { versions: commit.writes.iter().zip(&stored).map(version).collect() })
    }
}

#[cfg(test)]
mod tests;

use std::time::Duration;

use beam_mcp_core::{
    random::hex,
    store::{Commit, Write},
};
use serde_json::{Value, json};

use super::{
    DynamoStore,
    call::Fault,
    item::{item_of, key_in, key_of, stamp_of},
    patience::Patience,
};
use crate::{random::random, store::commit::Stamp};

/// Most bytes of values in one transaction; the service takes 4 MB of items.
const LARGEST: usize = 3_900_000;

impl DynamoStore {
    /// Version and commit of what is stored under the keys of a commit, in its order.
    pub(super) async fn stamps(&self, commit: &Commit, patience: &mut Patience) -> Result<Vec<Option<Stamp>>, Fault> {
        let mut stored = vec![None; commit.writes.len()];
        let keys: Vec<Value> = commit.writes.iter().map(|write| key_of(&write.key)).collect();
        let mut left = json!({&*self.table: {
            "Keys": keys,
            "ConsistentRead": true,
            "ProjectionExpression": "pk, sk, ver, #op",
            "ExpressionAttributeNames": {"#op": "op"},
        }});
        while left[&self.table]["Keys"].as_array().is_some_and(|keys| !keys.is_empty()) {
            let answer = self.calls.read("BatchGetItem", &json!({"RequestItems": left}), patience).await?;
            for item in answer["Responses"][&self.table].as_array().ok_or(Fault::Doubt("unreadable"))? {
                let key = key_in(item)?;
                if let Some(at) = commit.writes.iter().position(|write| write.key == key) {
                    stored[at] = Some(stamp_of(item)?);
                }
            }
            left = answer["UnprocessedKeys"].clone();
            if left[&self.table]["Keys"].is_array() {
                patience.rest(Fault::Throttled).await?;
            }
        }
        Ok(stored)
    }

    /// Writes all, or nothing when anything moved since it was read.
    pub(super) async fn write(
        &self,
        commit: &Commit,
        stored: &[Option<Stamp>],
        versions: &[u64],
        limit: Duration,
    ) -> Result<(), Fault> {
        if commit.writes.is_empty() {
            return Ok(());
        }
        let sizes = commit.writes.iter().map(|write| write.put.as_ref().map_or(0, |put| put.value.len()));
        if sizes.sum::<usize>() > LARGEST {
            return Err(Fault::Refused("commit_too_large"));
        }
        let writes = commit.writes.iter().zip(stored).zip(versions);
        let items: Vec<_> =
            writes.map(|((write, at), version)| self.item(commit, write, at.as_ref(), *version)).collect();
        let request = json!({"TransactItems": items, "ClientRequestToken": token()?});
        self.calls.once("TransactWriteItems", &request, limit).await.map(drop)
    }

    fn item(&self, commit: &Commit, write: &Write, at: Option<&Stamp>, version: u64) -> Value {
        let mut change = json!({"TableName": self.table, "ExpressionAttributeNames": {"#pk": "pk"}});
        change["ConditionExpression"] = "attribute_not_exists(#pk)".into();
        if let Some(at) = at {
            change["ConditionExpression"] = "#ver = :ver AND #op = :op".into();
            change["ExpressionAttributeNames"] = json!({"#ver": "ver", "#op": "op"});
            change["ExpressionAttributeValues"] = json!({":ver": {"N": at.version.to_string()}, ":op": {"S": at.op}});
        }
        if let Some(put) = &write.put {
            change["Item"] = item_of(commit, write, put, version);
            json!({"Put": change})
        } else {
            change["Key"] = key_of(&write.key);
            json!({"Delete": change})
        }
    }
}

/// True when everything a commit puts is there as it put it.
pub(super) fn is_signed(commit: &Commit, stored: &[Option<Stamp>]) -> bool {
    let mut pairs = commit.writes.iter().zip(stored).filter(|(write, _)| write.put.is_some()).peekable();
    pairs.peek().is_some() && pairs.all(|(_, at)| at.as_ref().is_some_and(|at| at.op == commit.op_id))
}

/// Makes a delivery that the network repeats the same one for the service. A fresh one for each request: the service
/// answers an old one for ten minutes without looking at what is stored now.
fn token() -> Result<String, Fault> {
    random().map(|bytes| hex(&bytes[..16])).map_err(|_| Fault::Refused("no_randomness"))
}

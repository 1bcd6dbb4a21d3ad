use beam_mcp_core::store::{Record, Scan};
use serde_json::{Map, Value, json};

use super::{
    DynamoStore,
    call::Fault,
    item::record_of,
    patience::Patience,
    place::{Bounds, is_asked, partitions},
};
use crate::store::range::merge;

impl DynamoStore {
    pub(super) async fn scan(&self, scan: &Scan, patience: &mut Patience) -> Result<Vec<Record>, Fault> {
        let bounds = Bounds::of(scan);
        if bounds.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for partition in partitions(scan) {
            found.append(&mut self.page(scan, &bounds, &partition, patience).await?);
        }
        Ok(merge(found, scan))
    }

    /// The first records of one partition; the service ends its pages at 1 MB.
    async fn page(
        &self,
        scan: &Scan,
        bounds: &Bounds,
        partition: &str,
        patience: &mut Patience,
    ) -> Result<Vec<Record>, Fault> {
        let mut request = self.query(scan, bounds, partition);
        let mut found = Vec::new();
        loop {
            let answer = self.calls.read("Query", &request, patience).await?;
            for item in answer["Items"].as_array().ok_or(Fault::Doubt("unreadable"))? {
                // `BETWEEN` takes in its upper end.
                if item["sk"]["S"].as_str() == bounds.high.as_deref() {
                    continue;
                }
                let record = record_of(item)?;
                if is_asked(scan, &record.key) {
                    found.push(record);
                }
            }
            let next = answer.get("LastEvaluatedKey").filter(|key| !key.is_null());
            match next {
                Some(next) if found.len() < scan.limit as usize => request["ExclusiveStartKey"] = next.clone(),
                _ => return Ok(found),
            }
        }
    }

    fn query(&self, scan: &Scan, bounds: &Bounds, partition: &str) -> Value {
        let mut values = Map::from_iter([(":pk".to_owned(), json!({"S": partition}))]);
        let mut condition = String::from("pk = :pk");
        let mut bound = |name: &str, text: &str| values.insert(name.to_owned(), json!({"S": text}));
        match (&*bounds.low, &bounds.high) {
            ("", None) => {}
            ("", Some(high)) => {
                condition.push_str(" AND sk < :high");
                bound(":high", high);
            }
            (low, None) => {
                condition.push_str(" AND sk >= :low");
                bound(":low", low);
            }
            (low, Some(high)) => {
                condition.push_str(" AND sk BETWEEN :low AND :high");
                bound(":low", low);
                bound(":high", high);
            }
        }
        json!({
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": true,
            "ScanIndexForward": !scan.descending,
            "Limit": scan.limit + 1,
        })
    }
}

//! The suite against a table of an emulator, and what only this store has to prove, against a peer that answers as the
//! service was seen to.

use beam_mcp_core::store::{AuditRow, Expect, Scan, seal};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::{
    store::{
        Store,
        audit_check::{self, check_chain},
        suite::{commit, write},
    },
    testing::{answer, peer},
};

fn store(endpoint: &str, table: &str) -> DynamoStore {
    let environment =
        [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "token")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let place = DynamoTable { table: table.into(), region: "eu-west-1".into(), endpoint: Some(endpoint.into()) };
    DynamoStore::open(place, AwsCredentials::of(&environment).unwrap()).unwrap()
}

/// A store whose service gives these answers, one a connection.
async fn told(answers: &[(u16, Value)]) -> (Store, UnboundedReceiver<String>) {
    let answers = answers.iter().map(|(status, body)| answer(*status, "", &body.to_string())).collect();
    let (url, seen) = peer(answers).await;
    (Store::Dynamo(store(&url, "jobs")), seen)
}

fn nothing() -> (u16, Value) {
    (200, json!({"Responses": {"jobs": []}, "UnprocessedKeys": {}}))
}

fn there(version: u64, op: &str) -> (u16, Value) {
    let item = json!({"pk": {"S": "default#job"}, "sk": {"S": "a"}, "ver": {"N": version.to_string()}, "op": {"S": op},
        "schema": {"N": "1"}, "val": {"S": "x"}});
    (200, json!({"Responses": {"jobs": [item]}, "UnprocessedKeys": {}, "Item": item}))
}

fn error(status: u16, kind: &str) -> (u16, Value) {
    (status, json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "told"}))
}

fn cancelled(code: &str) -> (u16, Value) {
    let (status, mut body) = error(400, "TransactionCanceledException");
    body["CancellationReasons"] = json!([{"Code": "None"}, {"Code": code, "Message": "told"}]);
    (status, body)
}

/// What becomes of a commit of one absent record under these answers, and how many of them it took.
async fn outcome(answers: &[(u16, Value)]) -> (StoreReply, usize) {
    let (store, mut seen) = told(answers).await;
    let absent = Write { expect: Expect::Absent, ..write("a", "x") };
    let reply = store.perform(Op::Commit(commit("o1", vec![absent]))).await;
    let mut calls = 0;
    while seen.try_recv().is_ok() {
        calls += 1;
    }
    (reply, calls)
}

fn made() -> StoreReply {
    StoreReply::Committed { versions: vec![1] }
}

#[tokio::test]
async fn a_commit_is_a_read_and_a_transaction_under_its_conditions() {
    let (store, mut seen) = told(&[nothing(), (200, json!({}))]).await;
    assert_eq!(store.perform(Op::Commit(commit("o1", vec![write("a", "x")]))).await, made());
    let read = seen.recv().await.unwrap();
    assert!(read.contains("x-amz-target: DynamoDB_20120810.BatchGetItem") && read.contains(r#""ConsistentRead":true"#));
    let written = seen.recv().await.unwrap();
    assert!(written.contains("x-amz-target: DynamoDB_20120810.TransactWriteItems"), "{written}");
    assert!(written.contains("authorization: AWS4-HMAC-SHA256 Credential=id/"), "{written}");
    assert!(written.contains("/eu-west-1/dynamodb/aws4_request") && written.contains("x-amz-security-token: token"));
    assert!(written.contains(r#""ConditionExpression":"attribute_not_exists(#pk)""#), "{written}");
    assert!(written.contains(r#""ver":{"N":"1"}"#) && !written.contains("secret"), "{written}");
}

#[tokio::test]
async fn an_unclear_transaction_is_looked_for_before_it_is_made_again() {
    let landed = [nothing(), error(500, "InternalServerError"), there(1, "o1"), there(1, "o1")];
    assert_eq!(outcome(&landed).await, (made(), 4));
    let lost = [nothing(), error(500, "InternalServerError"), nothing(), (200, json!({}))];
    assert_eq!(outcome(&lost).await, (made(), 4));
    let overtaken = [nothing(), error(500, "InternalServerError"), there(1, "theirs"), there(1, "theirs")];
    let (reply, calls) = outcome(&overtaken).await;
    assert!(matches!(reply, StoreReply::Conflict { index: 0, current: Some(at) } if at.op == "theirs"));
    assert_eq!(calls, 4);
}

#[tokio::test]
async fn a_commit_without_expectations_is_not_made_twice_in_doubt() {
    let (store, mut seen) =
        told(&[there(4, "old"), error(500, "InternalServerError"), there(5, "o1"), there(5, "o1")]).await;
    let reply = store.perform(Op::Commit(commit("o1", vec![write("a", "x")]))).await;
    assert_eq!(reply, StoreReply::Committed { versions: vec![5] });
    let writes = std::iter::from_fn(|| seen.try_recv().ok()).filter(|call| call.contains("TransactWriteItems"));
    assert_eq!(writes.count(), 1);
}

#[tokio::test]
async fn what_moved_is_read_again() {
    for code in ["ConditionalCheckFailed", "TransactionConflict"] {
        let again = [nothing(), cancelled(code), nothing(), (200, json!({}))];
        assert_eq!(outcome(&again).await, (made(), 4), "{code}");
    }
}

#[tokio::test]
async fn throttling_is_waited_out_and_then_told() {
    for told in [error(400, "ThrottlingException"), error(400, "ProvisionedThroughputExceededException")] {
        let passing = [told, nothing(), cancelled("ThrottlingError"), nothing(), (200, json!({}))];
        assert_eq!(outcome(&passing).await, (made(), 5));
    }
    let endless = vec![error(400, "ThrottlingException"); 200];
    let (reply, calls) = outcome(&endless).await;
    assert_eq!(reply, failed("throttled"));
    assert!((3..60).contains(&calls), "{calls}");
}

#[tokio::test]
async fn what_cannot_get_better_is_told_at_once() {
    for (fault, reason) in [
        (error(400, "ResourceNotFoundException"), "no_table"),
        (error(400, "AccessDeniedException"), "access_denied"),
        (error(400, "ValidationException"), "rejected"),
    ] {
        assert_eq!(outcome(&[fault]).await, (failed(reason), 1));
    }
    assert_eq!(outcome(&[nothing(), cancelled("ValidationError")]).await, (failed("rejected"), 2));
}

#[tokio::test]
async fn keys_left_over_and_pages_cut_by_the_service_are_asked_for() {
    let (_, whole) = there(3, "o");
    let mut cut = whole.clone();
    cut["Responses"]["jobs"] = json!([]);
    cut["UnprocessedKeys"] = json!({"jobs": {"Keys": [{"pk": {"S": "default#job"}, "sk": {"S": "a"}}]}});
    let (store, _seen) = told(&[(200, cut), (200, whole.clone()), (200, json!({}))]).await;
    let reply = store.perform(Op::Commit(commit("o1", vec![write("a", "x")]))).await;
    assert_eq!(reply, StoreReply::Committed { versions: vec![4] });

    let item = whole["Item"].clone();
    let first = json!({"Items": [item], "LastEvaluatedKey": {"pk": {"S": "default#job"}, "sk": {"S": "a"}}});
    let (store, mut seen) = told(&[(200, first), (200, json!({"Items": []}))]).await;
    let scan = Scan { tenant: "default".into(), kind: "job".into(), limit: 9, ..Scan::default() };
    let reply = store.perform(Op::Scan(scan)).await;
    assert!(matches!(reply, StoreReply::Page(page) if page.records.len() == 1));
    seen.recv().await.unwrap();
    assert!(seen.recv().await.unwrap().contains("ExclusiveStartKey"));
}

/// Rows of a chain of three as the service gives them, and its end.
fn chain_of_three() -> (Vec<Value>, Value) {
    let waiting = |sequence: u64| {
        let row = AuditRow { sequence, ..AuditRow::default() };
        let (key, value) = (Key::new("t", "audit.new", sequence.to_string()), serde_json::to_string(&row).unwrap());
        Record { key, version: 1, op: "o".into(), schema: 2, expires_at: None, value: value.into() }
    };
    let writes = seal("t", None, &[waiting(1), waiting(2), waiting(3)]).unwrap();
    let commit = commit("seal", Vec::new());
    let item = |write: &Write| item::item_of(&commit, write, write.put.as_ref().unwrap(), 1);
    let rows = writes.iter().filter(|write| write.key.kind == "audit").map(item).collect();
    (rows, item(writes.last().unwrap()))
}

/// The end of the same chain after its first row was taken away.
fn without_its_first(rows: &[Value], end: &Value) -> Value {
    let member = |item: &Value| serde_json::from_str::<Value>(item["val"]["S"].as_str().unwrap()).unwrap();
    let (mut head, mut item) = (member(end), end.clone());
    (head["removed"], head["removed_hash"]) = (json!(1), member(&rows[0])["seal"]["hash"].clone());
    item["val"]["S"] = head.to_string().into();
    item
}

#[tokio::test]
async fn a_chain_is_followed_while_retention_takes_its_first_rows_away() {
    let (rows, end) = chain_of_three();
    let got = |item: &Value| (200, json!({"Item": item}));
    let listed = |rows: &[Value]| (200, json!({"Items": rows}));
    let (store, mut seen) = told(&[got(&end), listed(&rows)]).await;
    assert_eq!(check_chain(&store, "t").await, Ok(3));
    seen.recv().await.unwrap();
    let query = seen.recv().await.unwrap();
    assert!(query.contains(r#""ConsistentRead":true"#) && query.contains(r#"":pk":{"S":"t#audit"}"#), "{query}");

    let later = without_its_first(&rows, &end);
    let (store, _seen) = told(&[got(&end), listed(&rows[1..]), got(&later), listed(&rows[1..])]).await;
    assert_eq!(check_chain(&store, "t").await, Ok(2));
    let (store, _seen) = told(&[got(&end), listed(&rows[1..]), got(&end)]).await;
    let missing = "audit row 1 is missing: 2 comes in its place".to_owned();
    assert_eq!(check_chain(&store, "t").await, Err(audit_check::Fault::Broken(missing)));
}

#[tokio::test]
async fn a_table_that_does_not_answer_tells_nothing_of_its_chain() {
    let gone = vec![error(400, "ResourceNotFoundException"); 4];
    let (store, mut seen) = told(&gone).await;
    assert_eq!(check_chain(&store, "t").await, Err(audit_check::Fault::Unread("no_table".into())));
    let calls = std::iter::from_fn(|| seen.try_recv().ok()).count();
    assert_eq!(calls, 4, "the rest of a long chain is not given up for one failure");
}

#[test]
fn keys_of_the_role_are_needed_and_not_shown() {
    let environment = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Environment>()
    };
    let missing = AwsCredentials::of(&environment(&[("AWS_ACCESS_KEY_ID", "id")])).unwrap_err();
    assert!(missing.contains("AWS_SECRET_ACCESS_KEY"), "{missing}");
    let whole = environment(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
    assert!(!format!("{:?}", AwsCredentials::of(&whole).unwrap()).contains("hunter2"));
}

#[cfg(feature = "dynamodb-emulator")]
mod emulator {
    use std::sync::Arc;

    use super::*;
    use crate::store::suite;

    /// `tests/dynamodb/run.sh` starts the emulators, makes the tables and names both here.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_suite_holds() {
        let endpoint = std::env::var("DYNAMODB_ENDPOINT").expect("DYNAMODB_ENDPOINT names an emulator");
        let table = std::env::var("DYNAMODB_TABLE").expect("DYNAMODB_TABLE names an empty table");
        // An emulator on a busy machine is slower than the service.
        let patient = DynamoStore { longest: Duration::from_secs(60), ..store(&endpoint, &table) };
        suite::run(&Arc::new(Store::Dynamo(patient))).await;
    }
}

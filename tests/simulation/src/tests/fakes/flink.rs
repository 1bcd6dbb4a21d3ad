use beam_mcp_core::effect::{Body, Method, Part, SourceId};
use serde_json::Value;

use super::{TOKEN, recorded, request, same};
use crate::{flink::Flink, random::Random};

fn ask(flink: &mut Flink, method: Method, path: &str, body: Body, at: u64) -> (u16, Value) {
    super::ask(flink, request("flink", method, path, body), at)
}

#[test]
fn the_fake_flink_speaks_as_the_real_one_was_recorded() {
    let mut flink = Flink::new(Random::new(3, 5), None);
    let part = Part {
        name: "jarfile".into(),
        file_name: "ratejob.jar".into(),
        content_type: "application/java-archive".into(),
        source: SourceId("sha256:ab".into()),
    };
    let same = |answer, name: &str| same(answer, &format!("flink/recorded/2.2.1/{name}"));
    let uploaded = ask(&mut flink, Method::Post, "/jars/upload", Body::Multipart(vec![part]), 0);
    let file = same(uploaded, "jars-upload")["filename"].as_str().unwrap().to_owned();
    let jar = file.rsplit('/').next().unwrap().to_owned();
    let run = Body::Json(serde_json::json!({"jobId": TOKEN, "programArgsList": []}));
    same(ask(&mut flink, Method::Post, &format!("/jars/{jar}/run"), run.clone(), 1), "run");
    let (status, _) = ask(&mut flink, Method::Post, &format!("/jars/{jar}/run"), run, 2);
    assert_eq!(status, recorded("flink/recorded/2.2.1/run-duplicate").0);
    let job = format!("/jobs/{TOKEN}");
    for (path, name) in [
        ("/config".to_owned(), "config"),
        ("/jars".to_owned(), "jars-all"),
        ("/jobs/overview".to_owned(), "jobs-overview-running"),
        (job.clone(), "job-running"),
        (format!("{job}/execution-result"), "execution-result-in-progress"),
    ] {
        same(ask(&mut flink, Method::Get, &path, Body::Empty, 9_000), name);
    }
    let trigger = "05afe000000000000000000000000001";
    let wish = Body::Json(serde_json::json!({"triggerId": trigger}));
    same(ask(&mut flink, Method::Post, &format!("{job}/savepoints"), wish, 9_001), "savepoint-trigger");
    same(
        ask(&mut flink, Method::Get, &format!("{job}/savepoints/{trigger}"), Body::Empty, 9_002),
        "savepoint-in-progress",
    );
    for (path, name) in [
        ("/jobs/ffffffffffffffffffffffffffffffff".to_owned(), "job-unknown"),
        (format!("{job}/savepoints/{TOKEN}"), "savepoint-unknown-trigger"),
    ] {
        same(ask(&mut flink, Method::Get, &path, Body::Empty, 9_003), name);
    }
    let cancel = format!("{job}?mode=cancel");
    same(ask(&mut flink, Method::Patch, &cancel, Body::Empty, 9_004), "cancel");
    same(ask(&mut flink, Method::Get, &job, Body::Empty, 30_000), "job-canceled");
}

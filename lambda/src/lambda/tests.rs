use beam_mcp_core::Flow;

use beam_mcp_core::engine::{Share, Snapshot};

use super::*;
use crate::testing::driver;

/// Reads for ever, submits for ever or tells before it answers, by path.
struct Endless;

impl Entry for Endless {
    fn body_rule(&self, _: &str, _: &str) -> BodyRule {
        BodyRule::Buffer(9)
    }
    fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        request.header("origin").map(|page| ("x-for-page".into(), page.into())).into_iter().collect()
    }
    fn handle(&self, inbound: Inbound, _: Call) -> Flow<Response> {
        let Inbound::Http(request) = inbound else { panic!("a line") };
        Flow::new(move |io| async move {
            if request.path == "/submit" {
                io.intent_is_durable();
            }
            if request.path == "/tell" || request.path == "/tell-on" {
                io.emit("{1}".into()).await?;
                io.sleep(Duration::from_secs(1)).await?;
                io.emit("{2}".into()).await?;
                if request.path == "/tell" {
                    let mut last = Response::json(200, &());
                    last.headers.extend(Endless.cors(&request));
                    return Ok(last);
                }
            }
            io.sleep(Duration::from_secs(900)).await?;
            Ok(Response::json(200, &()))
        })
    }
    fn shares(&self) -> Vec<Share> {
        vec![Share::All]
    }
    fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
        Vec::new()
    }
    fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
        Flow::new(|_| async { Ok(Duration::from_secs(2)) })
    }
}

fn function() -> Function {
    Function { driver: Arc::new(driver()), engine: Arc::new(Endless) }
}

fn request(path: &str) -> HttpRequest {
    HttpRequest { path: path.into(), ..HttpRequest::default() }
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_before_the_platform_gives_up() {
    for (path, left, at_most) in
        [("/read", 900, 29_000), ("/submit", 900, 29_300), ("/read", 3, 2_500), ("/read", 0, 0), ("/tell-on", 3, 2_500)]
    {
        let begun = tokio::time::Instant::now();
        let response = function().http(request(path), String::new(), Duration::from_secs(left)).await;
        assert_eq!(response.status, 504, "{path}");
        let took = begun.elapsed();
        assert!(took <= Duration::from_millis(at_most + 10), "{path} with {left} s left took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_comes_with_the_answer() {
    let told = function().http(request("/tell"), String::new(), Duration::from_secs(9)).await;
    assert_eq!((told.status, told.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!((told.header("x-accel-buffering"), told.header("x-for-page")), (Some("no"), None));
    assert_eq!(told.body.text(), "data: {1}\n\ndata: {2}\n\ndata: null\n\n");
    let late = function().http(request("/tell"), String::new(), Duration::from_secs(1)).await;
    // Nothing has left before the end: a failure is answered as one, not as a stream that breaks off.
    assert_eq!((late.status, late.header("content-type")), (504, Some("application/json")));
}

#[tokio::test(start_paused = true)]
async fn streams_and_refusals_are_for_the_page_that_asked_and_in_the_form_of_their_door() {
    let page = "https://app.example";
    let from_page = |path: &str| HttpRequest { headers: vec![("origin".into(), page.into())], ..request(path) };
    let told = function().http(from_page("/tell"), String::new(), Duration::from_secs(9)).await;
    assert_eq!(told.header("x-for-page"), Some(page));
    let late = function().http(from_page("/mcp"), String::new(), Duration::from_secs(1)).await;
    let large = HttpRequest { body: "0123456789".into(), ..from_page("/mcp") };
    let large = function().http(large, String::new(), LONGEST).await;
    for (refused, status) in [(late, 504), (large, 413)] {
        assert_eq!((refused.status, refused.header("x-for-page")), (status, Some(page)));
        let body: Value = serde_json::from_slice(refused.body.as_slice()).unwrap();
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded_and_rounds_go_on_while_they_are_due() {
    let large = HttpRequest { body: "0123456789".into(), ..request("/") };
    assert_eq!(function().http(large, String::new(), LONGEST).await.status, 413);
    let ticked = function().tick(Duration::from_secs(20)).await.unwrap();
    assert_eq!(ticked, json!({"rounds": 10, "next_ms": 2000}));
}

#[test]
fn an_invocation_without_time_is_the_emulators() {
    assert_eq!(time_left(600_000, 1_764_000_000_000), LONGEST);
    assert_eq!(time_left(1_764_000_003_000, 1_764_000_000_000), Duration::from_secs(3));
}

#[test]
fn an_answer_too_large_for_lambda_says_so() {
    let answer = |size: usize| Response { status: 200, headers: Vec::new(), body: "\"".repeat(size).into() };
    assert_eq!(bounded(answer(2_700_000), Format::V2).unwrap()["statusCode"], 200);
    let refused = bounded(answer(2_800_000), Format::V2).unwrap();
    assert_eq!(refused["statusCode"], 413);
    assert!(refused["body"].as_str().unwrap().contains("answer_too_large"));
}

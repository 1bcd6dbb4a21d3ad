use serde_json::{Value, json};

use super::script::{Called, answer, answer_with, call, check, effects, fault, joined, options, requests, result};

const RESOURCE: &str = "http://localhost:9/mcp";
const ISSUER: &str = "http://localhost:8";
const ISS: &str = "iss=http%3A%2F%2Flocalhost%3A8";

fn able(more: Value) -> Value {
    options(json!({"oauth": joined(json!({"redirect_uri": "http://localhost:7/cb"}), more)}))
}

fn response(status: u16, body: &Value) -> Vec<Value> {
    vec![json!({"reply": "response", "status": status, "headers": [], "body": {"text": body.to_string()}})]
}

fn challenge(text: &str) -> Vec<Value> {
    vec![super::script::opened(401, &[("www-authenticate", text)])]
}

fn resource(of: &str) -> Vec<Value> {
    response(200, &json!({"resource": of, "authorization_servers": [ISSUER], "scopes_supported": ["a", "b"]}))
}

fn issuer(more: Value) -> Vec<Value> {
    let document = json!({"issuer": ISSUER, "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"), "registration_endpoint": format!("{ISSUER}/register"),
        "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true});
    response(200, &joined(document, more))
}

fn registered() -> Vec<Value> {
    response(201, &json!({"client_id": "c", "token_endpoint_auth_method": "none"}))
}

fn token(access: &str) -> Vec<Value> {
    response(200, &json!({"access_token": access, "token_type": "bearer", "refresh_token": "r"}))
}

/// The browser comes back; `$STATE` is the state it was sent with.
fn back(query: &str) -> Vec<Value> {
    vec![json!({"reply": "answer", "value": format!("http://localhost:7/cb?{query}")})]
}

fn fine(id: u64) -> Vec<Value> {
    answer(200, &result(id, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}})))
}

#[test]
fn a_token_is_had_step_by_step() {
    let name = "authorization";
    let more = [("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"w\"")];
    check(
        name,
        "401: metadata, issuer, registration, consent, token; 403: the scopes together; 401 again: the refresh token.",
        able(json!({})),
        vec![
            call(
                "connect",
                json!({}),
                [
                    challenge("Bearer"),
                    response(404, &json!({})),
                    resource("http://localhost:9"),
                    issuer(json!({})),
                    registered(),
                    back(&format!("code=x&state=$STATE&{ISS}")),
                    token("t-1"),
                    fine(1),
                ],
            ),
            call(
                "list_prompts",
                json!({}),
                [
                    vec![super::script::opened(403, &more)],
                    resource("http://localhost:9"),
                    response(404, &json!({})),
                    issuer(json!({})),
                    back("error=access_denied"),
                ],
            ),
            call(
                "list_prompts",
                json!({}),
                [
                    challenge("Bearer error=\"invalid_token\""),
                    resource("http://localhost:9"),
                    issuer(json!({})),
                    token("t-2"),
                    answer_with(200, &[], &result(5, &json!({"prompts": []}))),
                ],
            ),
        ],
    );
    let sent = requests(name, 0);
    assert_eq!(sent[1]["path"], "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(sent[3]["server"], ISSUER);
    assert_eq!(sent.last().unwrap()["headers"].as_array().unwrap().last().unwrap()[1], "Bearer t-1");
    assert!(sent.iter().skip(1).all(|request| request.get("credential").is_none()));
    let again = effects(name, 1).into_iter().find(|effect| effect["effect"] == "ask").unwrap();
    assert!(again["params"]["url"].as_str().unwrap().contains("scope=a%20b%20w"));
}

#[test]
fn metadata_of_others_ends_it_before_anything_is_asked() {
    let evil = json!({"issuer": "http://localhost:8/"});
    let plain = json!({"code_challenge_methods_supported": ["plain"]});
    let far = response(200, &json!({"resource": RESOURCE, "authorization_servers": ["http://far.example"]}));
    let ends = check(
        "metadata_of_others",
        "Another resource, another issuer, no PKCE, an unsafe address.",
        able(json!({})),
        vec![
            call("connect", json!({}), [challenge("Bearer"), resource("https://evil.example/mcp")]),
            call("connect", json!({}), [challenge("Bearer"), resource(RESOURCE), issuer(evil)]),
            call("connect", json!({}), [challenge("Bearer"), resource(RESOURCE), issuer(plain)]),
            call("connect", json!({}), [challenge("Bearer"), far]),
            call("connect", json!({}), [challenge("Bearer resource_metadata=\"http://far.example/x\"")]),
        ],
    );
    assert!(ends.iter().all(|end| end["code"] == "failed_precondition"), "{ends:#?}");
}

#[test]
fn an_answer_of_somebody_else_gets_no_token() {
    let name = "answer_of_somebody_else";
    let known = able(json!({"client_id": "c", "client_secret": "s"}));
    let ends = check(
        name,
        "A browser that comes back without the state or the issuer.",
        known,
        vec![call(
            "connect",
            json!({}),
            [challenge("Bearer"), resource(RESOURCE), issuer(json!({})), back("code=x&state=y")],
        )],
    );
    assert_eq!(ends[0]["code"], "permission_denied");
    assert!(requests(name, 0).iter().all(|request| request["path"] != "/token"));
}

#[test]
fn a_client_of_its_own_right_needs_nobody() {
    let name = "client_credentials";
    let own = able(json!({"grant": "client_credentials", "client_id": "c", "client_secret": "s"}));
    check(
        name,
        "client_credentials: the secret in the header, no browser.",
        own,
        vec![call(
            "connect",
            json!({}),
            [challenge("Bearer scope=\"x\""), resource(RESOURCE), issuer(json!({})), token("t"), fine(1)],
        )],
    );
    let sent = requests(name, 0);
    let form = sent.iter().find(|request| request["path"] == "/token").unwrap();
    assert!(form["body"]["form"].as_array().unwrap().contains(&json!(["resource", RESOURCE])));
    assert!(form["headers"].as_array().unwrap().contains(&json!(["authorization", "Basic Yzpz"])));
}

#[test]
fn tokens_that_are_refused_again_and_again_are_given_up() {
    let own = able(json!({"grant": "client_credentials", "client_id": "c", "client_secret": "s"}));
    let refused =
        || vec![super::script::opened(403, &[("www-authenticate", "Bearer error=insufficient_scope, scope=x")])];
    let again = || [resource(RESOURCE), issuer(json!({})), token("t")].concat();
    let ends = check(
        "tokens_refused",
        "At most three tokens for one request.",
        own,
        vec![call(
            "connect",
            json!({}),
            [challenge("Bearer"), again(), refused(), again(), refused(), again(), refused()],
        )],
    );
    assert_eq!(ends[0]["details"]["reason"], "still_refused");
}

/// Up to a token with a refresh token, and the call after it that is refused.
fn signed_in() -> Vec<Called> {
    let known = [resource(RESOURCE), issuer(json!({})), registered(), back(&format!("code=x&state=$STATE&{ISS}"))];
    vec![call("connect", json!({}), [challenge("Bearer"), known.concat(), token("t-1"), fine(1)])]
}

/// Up to the token endpoint's answer.
fn refreshing(endpoint: Vec<Value>) -> Vec<Value> {
    [challenge("Bearer error=\"invalid_token\""), resource(RESOURCE), issuer(json!({})), endpoint].concat()
}

fn grants(name: &str, call: usize) -> Vec<Value> {
    let forms = requests(name, call).into_iter().filter_map(|request| request["body"]["form"].as_array().cloned());
    forms.filter_map(|form| form.into_iter().find(|pair| pair[0] == "grant_type").map(|pair| pair[1].clone())).collect()
}

#[test]
fn a_refresh_token_outlives_trouble_at_the_token_endpoint() {
    let name = "refresh_token_kept";
    let busy = response(503, &json!({}));
    let slow = response(400, &json!({"error": "temporarily_unavailable"}));
    let page = response(200, &json!("a gateway's page"));
    let prompts = answer(200, &result(6, &json!({"prompts": []})));
    let after = vec![
        call(
            "list_prompts",
            json!({}),
            [refreshing(busy), refreshing(slow), refreshing(vec![fault("reset")]), refreshing(token("t-2")), prompts],
        ),
        // An answer that is none leads to the person, and so does what the person says to the next call.
        call("list_prompts", json!({}), [refreshing(page), back("error=access_denied&state=$STATE")]),
        call("list_prompts", json!({}), [refreshing(token("t-3")), answer(200, &result(9, &json!({"prompts": []})))]),
    ];
    check(
        name,
        "503, temporarily_unavailable, a reset, a page: the refresh token is shown again with the next try.",
        able(json!({})),
        signed_in().into_iter().chain(after).collect(),
    );
    assert_eq!(grants(name, 1), ["refresh_token"; 4]);
    assert_eq!(grants(name, 3), ["refresh_token"]);
}

#[test]
fn a_refresh_token_that_is_over_is_not_shown_again() {
    let name = "refresh_token_over";
    let over = || response(400, &json!({"error": "invalid_grant"}));
    let after = vec![
        call("list_prompts", json!({}), [refreshing(over()), back("error=access_denied&state=$STATE")]),
        call("list_prompts", json!({}), [refreshing(vec![]), back("error=access_denied&state=$STATE")]),
    ];
    check(
        name,
        "invalid_grant: the person is asked, now and with the next call.",
        able(json!({})),
        signed_in().into_iter().chain(after).collect(),
    );
    assert_eq!(grants(name, 1), ["refresh_token"]);
    assert_eq!(grants(name, 2), [] as [Value; 0]);
}

#[test]
fn a_call_that_was_turned_away_is_sent_when_there_is_a_token() {
    let name = "turned_away";
    let own = able(json!({"grant": "client_credentials", "client_id": "c", "client_secret": "s"}));
    let ends = check(
        name,
        "The request for a token breaks off: the call was refused before, and did nothing.",
        own,
        vec![
            call("connect", json!({}), [fine(1)]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    [challenge("Bearer"), resource(RESOURCE), issuer(json!({})), vec![fault("reset")]].concat(),
                    [challenge("Bearer"), resource(RESOURCE), issuer(json!({})), token("t")].concat(),
                    answer(200, &result(3, &json!({"content": []}))),
                ],
            ),
        ],
    );
    assert_eq!(ends[1]["content"], json!([]));
}

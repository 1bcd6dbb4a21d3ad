//! Answers in the form Spark 3.5 was recorded with (`tests/vectors/spark/recorded`), cut to the fields that are read.

use std::{collections::BTreeMap, fmt::Write as _};

use beam_mcp_core::effect::Response;

use super::{WORKER, driver::Driver};

const VERSION: &str = r#""serverSparkVersion":"3.5.9""#;
/// The one worker.
const WORKER_ID: &str = "worker-20261125195456-127.0.0.1-7078";

pub(super) fn ok(body: String) -> Response {
    response(200, body)
}

fn response(status: u16, body: String) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// An error that names the version: nobody asks for anything there.
pub(super) fn version() -> Response {
    response(400, format!(r#"{{"action":"ErrorResponse","message":"Missing protocol version.",{VERSION}}}"#))
}

pub(super) fn malformed() -> Response {
    response(
        400,
        format!(
            r#"{{"action":"ErrorResponse","message":"Malformed request: org.apache.spark.deploy.rest.SubmitRestProtocolException: Validation of message CreateSubmissionRequest failed!",{VERSION}}}"#
        ),
    )
}

pub(super) fn no_page(path: &str) -> Response {
    response(404, format!("no such page: {path}"))
}

/// Spark's id: the second it was submitted in, and how many came before.
pub(super) fn driver_id(wall_ms: u64, count: u32) -> String {
    format!("driver-{:014}-{count:04}", wall_ms / 1000)
}

pub(super) fn app_id(driver: &Driver) -> String {
    format!("app-{:014}-{}", driver.connected(), driver.token.get(..4).unwrap_or_default())
}

pub(super) fn created(id: &str) -> Response {
    ok(format!(
        r#"{{"action":"CreateSubmissionResponse","message":"Driver successfully submitted as {id}",{VERSION},"submissionId":"{id}","success":true}}"#
    ))
}

pub(super) fn killed(id: &str) -> Response {
    ok(format!(
        r#"{{"action":"KillSubmissionResponse","message":"Kill request for {id} submitted",{VERSION},"submissionId":"{id}","success":true}}"#
    ))
}

pub(super) fn not_killed(id: &str) -> Response {
    ok(format!(
        r#"{{"action":"KillSubmissionResponse","message":"Driver {id} has already finished or does not exist",{VERSION},"submissionId":"{id}","success":false}}"#
    ))
}

pub(super) fn status(id: &str, driver: Option<&Driver>, at: u64) -> Response {
    let Some(driver) = driver else {
        return ok(format!(
            r#"{{"action":"SubmissionStatusResponse",{VERSION},"submissionId":"{id}","success":false}}"#
        ));
    };
    let state = driver.state(at);
    let worker = if driver.placed <= at {
        format!(r#","workerHostPort":"127.0.0.1:7078","workerId":"{WORKER_ID}""#)
    } else {
        String::new()
    };
    let message = if state == "ERROR" {
        r#","message":"Exception from the cluster:\njava.nio.file.NoSuchFileException: /srv/spark/shared/nope.jar\n\tat x""#
    } else {
        ""
    };
    ok(format!(
        r#"{{"action":"SubmissionStatusResponse","driverState":"{state}",{VERSION},"submissionId":"{id}","success":true{worker}{message}}}"#
    ))
}

/// The master's page.
pub(super) fn master(drivers: &BTreeMap<String, Driver>, at: u64, offset: u64, worker: bool) -> Response {
    let mut lists: [String; 4] = Default::default();
    for (id, driver) in drivers {
        let live = driver.end(at).is_none();
        let place = if driver.placed <= at { WORKER_ID } else { "None" };
        let (state, started, class) = (driver.state(at), driver.submitted + offset, &driver.class);
        add(
            &mut lists[usize::from(!live)],
            &format!(
                r#"{{"id":"{id}","starttime":"{started}","state":"{state}","cores":1,"memory":512,"submitdate":"Wed Nov 25 19:58:40 UTC 2026","worker":"{place}","mainclass":"{class}"}}"#
            ),
        );
        let Some(state) = driver.app_state(at) else { continue };
        let (app, name, began) = (app_id(driver), &driver.app, driver.connected() + offset);
        add(
            &mut lists[2 + usize::from(!live)],
            &format!(
                r#"{{"id":"{app}","starttime":{began},"name":"{name}","cores":2,"state":"{state}","duration":1}}"#
            ),
        );
    }
    let [active, completed, active_apps, completed_apps] = lists;
    let (alive, workers) = if worker { (1, workers()) } else { (0, String::new()) };
    ok(format!(
        r#"{{"url":"spark://127.0.0.1:7077","workers":[{workers}],"aliveworkers":{alive},"cores":8,"coresused":4,"memory":6144,"memoryused":1536,"activeapps":[{active_apps}],"completedapps":[{completed_apps}],"activedrivers":[{active}],"completeddrivers":[{completed}],"status":"ALIVE"}}"#
    ))
}

fn add(list: &mut String, item: &str) {
    let comma = if list.is_empty() { "" } else { "," };
    let _ = write!(list, "{comma}{item}");
}

fn workers() -> String {
    format!(
        r#"{{"id":"{WORKER_ID}","host":"127.0.0.1","port":7078,"webuiaddress":"{WORKER}","cores":8,"coresused":4,"coresfree":4,"memory":6144,"memoryused":1536,"memoryfree":4608,"state":"ALIVE"}}"#
    )
}

/// The page that links to a driver's own.
pub(super) fn application_page(driver: &str) -> Response {
    ok(format!(r#"<html><li><strong><a href="{driver}">Application Detail UI</a></strong></li></html>"#))
}

/// A part of a log, behind a line that says which; of an unknown one an error, behind the same line.
pub(super) fn log(id: &str, text: Option<&str>, offset: Option<usize>, most: usize) -> Response {
    let path = format!("/srv/spark/work/{id}/stderr");
    let Some(text) = text else {
        return ok(format!("==== Bytes 0-0 of 0 of {path} ====\nError: invalid log directory /srv/spark/work/{id}/"));
    };
    let size = text.len();
    let from = offset.unwrap_or(size.saturating_sub(most)).min(size);
    let to = (from + most).min(size);
    ok(format!("==== Bytes {from}-{to} of {size} of {path} ====\n{}", text.get(from..to).unwrap_or_default()))
}

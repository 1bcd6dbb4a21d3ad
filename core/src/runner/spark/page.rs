//! The links of the master's page of an application: to its driver's page, and to its executors' logs. The master gives
//! these nowhere as JSON.

use super::{
    request::{Log, Writer},
    stderr::is_plain_id,
};

/// Executors whose logs are read.
pub(super) const MOST_EXECUTORS: usize = 8;

/// Addresses of a page's links and the text of each.
fn links(html: &str) -> impl Iterator<Item = (String, &str)> {
    html.split("<a href=\"").skip(1).filter_map(|rest| {
        let (address, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once('>')?;
        let (text, _) = rest.split_once('<')?;
        Some((address.replace("&amp;", "&"), text.trim()))
    })
}

/// Address of the driver's own page, while the application lives; a path where the master is its proxy.
pub(super) fn driver_page(html: &str) -> Option<String> {
    links(html).find(|(_, text)| *text == "Application Detail UI").map(|(address, _)| address)
}

/// Logs of an application's executors, each with the address of its worker's page; also of those that have ended.
pub(super) fn executor_logs(html: &str, app: &str) -> Vec<(String, Log)> {
    let mut logs: Vec<(String, Log)> = Vec::new();
    for (address, _) in links(html) {
        if let Some(log) = executor_log(&address, app).filter(|log| !logs.contains(log)) {
            logs.push(log);
        }
    }
    logs.truncate(2 * MOST_EXECUTORS);
    logs
}

fn executor_log(address: &str, app: &str) -> Option<(String, Log)> {
    let (worker, query) = address.split_once("/logPage/?")?;
    let pairs = crate::url::pairs(query)?;
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (of, id) = (value("appId")?, value("executorId")?);
    let stream = match value("logType")?.as_str() {
        "stdout" => "stdout",
        "stderr" => "stderr",
        _ => return None,
    };
    let fits = of == app && is_plain_id(&id) && worker.contains("://");
    fits.then(|| (worker.to_owned(), Log { writer: Writer::Executor { app: of, id }, stream }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{effect::Reply, runner::spark::testing::recorded};

    fn html(reply: Reply) -> String {
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        response.body.text().into_owned()
    }

    #[test]
    fn the_masters_page_leads_to_the_driver_and_the_executors() {
        for (running, app) in [
            (html(recorded!("3.5.9/app-page-running")), "app-20261125195851-0001"),
            (html(recorded!("4.1.4/app-page-running")), "app-20261125200353-0000"),
        ] {
            assert_eq!(driver_page(&running).as_deref(), Some("http://127.0.0.1:4040"));
            let logs = executor_logs(&running, app);
            let streams: Vec<_> = logs.iter().map(|(worker, log)| (worker.as_str(), log.stream)).collect();
            assert_eq!(streams, [("http://127.0.0.1:8081", "stdout"), ("http://127.0.0.1:8081", "stderr")]);
            assert_eq!(executor_logs(&running, "app-other"), []);
        }
        let ended = html(recorded!("3.5.9/app-page-finished"));
        assert_eq!(driver_page(&ended), None, "the driver's page is gone with it");
        assert_eq!(executor_logs(&ended, "app-20261125195955-0003").len(), 2);
    }

    #[test]
    fn a_page_that_lies_leads_nowhere() {
        for html in ["", "<a href=\"", "<a href=\"x", "<a href=\"x\">Application Detail UI", "<html>not Spark</html>"] {
            assert_eq!((driver_page(html), executor_logs(html, "a").len()), (None, 0), "{html}");
        }
        let bad = "<a href=\"http://w/logPage/?appId=a&amp;executorId=../x&amp;logType=stderr\">stderr</a>";
        assert_eq!(executor_logs(bad, "a"), []);
    }
}

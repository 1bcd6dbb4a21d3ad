//! Which application a driver became, and where its facts are.

use super::{
    Spark, address, page, request,
    request::Facts,
    response::{App, Master},
    stderr::app_id,
};
use crate::{
    effect::{Request, Response},
    error::{Error, ErrorKind},
    job::Job,
};

/// A page that is read for an application.
pub(super) enum Source {
    /// The driver's own, while it lives: the server, and a path where the master is its proxy.
    Driver(String, String),
    /// The history server, after the end.
    History,
}

impl Source {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Driver(..) => "the driver's page",
            Self::History => "the history server",
        }
    }
}

impl Spark {
    /// The application of a driver: by what its scheduler wrote, else by the token in its name. `None`: it has none
    /// (yet).
    pub(super) async fn application(&self, master: &Master, job: &Job, driver: &str) -> Result<Option<String>, Error> {
        let head = self.driver_log(master, driver, "stderr", Some(0)).await;
        let named = by_name(master, job.token(), driver);
        match head {
            Ok(Some(chunk)) if app_id(&chunk.text).is_some() => Ok(app_id(&chunk.text).map(str::to_owned)),
            Err(error) if error.gave_up() => Err(error),
            Ok(_) => Ok(named),
            Err(error) => named.map_or(Err(error), |app| Ok(Some(app))),
        }
    }

    /// Where the facts of an application are read now.
    ///
    /// # Errors
    /// `failed_precondition` with what the operator can do.
    pub(super) async fn source(&self, master: &Master, app: &str) -> Result<Source, Error> {
        if master.activeapps.iter().any(|active| active.id == app) {
            return self.driver_page(app).await;
        }
        match &self.context.target.history_url {
            Some(_) => Ok(Source::History),
            None => Err(Error::precondition(
                "no_history_server",
                "the application has ended, and its driver's page with it; the target names no history server",
            )
            .suggest(
                "ask the operator to set the target's `history_url`, and `spark.eventLog.enabled` and \
                 `spark.eventLog.dir` in its `spark_configuration`",
            )),
        }
    }

    async fn driver_page(&self, app: &str) -> Result<Source, Error> {
        let target = &self.context.target;
        let html = self.read(request::application_request(target, app), text).await?;
        let address = page::driver_page(&html).ok_or_else(|| {
            Error::precondition("no_driver_page", "the driver shows no page: spark.ui.enabled is off")
        })?;
        match (address.strip_prefix('/'), &target.master_url) {
            (Some(path), Some(master)) => {
                Ok(Source::Driver(master.trim_end_matches('/').to_owned(), format!("/{}", path.trim_end_matches('/'))))
            }
            _ => Ok(Source::Driver(address::admitted(target, &address)?, String::new())),
        }
    }

    pub(super) fn facts_request(&self, source: &Source, app: &str, facts: Facts) -> Request {
        let target = &self.context.target;
        match source {
            Source::Driver(server, prefix) => request::live_request(target, server, prefix, app, facts),
            Source::History => request::history_request(target, app, facts),
        }
    }
}

pub(super) fn text(response: &Response) -> Result<String, Error> {
    if response.status == 200 { Ok(response.body.text().into_owned()) } else { Err(super::failure::error(response)) }
}

/// The newest application since the driver's start whose name ends with the token, which ours have unless their code
/// sets another.
fn by_name(master: &Master, token: &str, driver: &str) -> Option<String> {
    let since = master.driver(driver)?.starttime;
    let named = |app: &&App| !token.is_empty() && app.name.ends_with(token) && app.starttime >= since;
    let apps = master.activeapps.iter().chain(&master.completedapps);
    apps.filter(named).max_by_key(|app| app.starttime).map(|app| app.id.clone())
}

/// True for an answer of a server that has never heard of the application.
pub(super) fn is_unknown(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

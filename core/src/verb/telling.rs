//! What a caller hears while a verb waits.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Longest silence of a wait, give or take a look: proxies cut what says nothing for a minute.
const SILENCE: Duration = Duration::from_secs(10);

type Tell = dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// Word of waits on the way to a caller who asked for it; without one nothing is told.
#[derive(Clone, Default)]
pub struct Telling(Option<Arc<Told>>);

struct Told {
    tell: Box<Tell>,
    last: Mutex<Option<(String, Duration)>>,
}

impl Telling {
    /// Tells what is given to `tell`; a caller who does not hear it changes nothing.
    pub fn new<F: Future<Output = ()> + Send + 'static>(tell: impl Fn(String) -> F + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Told { tell: Box::new(move |text| Box::pin(tell(text))), last: Mutex::default() })))
    }

    /// Tells the state of what is waited for, where it is another one or nothing was told for a while.
    pub(super) async fn tell(&self, now: Duration, what: &str, state: &str) {
        let Some(told) = &self.0 else { return };
        let text = format!("{what} {state}");
        if told.is_news(&text, now) {
            (told.tell)(text).await;
        }
    }
}

impl Told {
    fn is_news(&self, text: &str, now: Duration) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = last.as_ref().is_some_and(|(told, at)| told == text && now < *at + SILENCE);
        if !is_known {
            *last = Some((text.to_owned(), now));
        }
        !is_known
    }
}

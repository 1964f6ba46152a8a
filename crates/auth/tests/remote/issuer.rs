//! An issuer in memory: it answers, fails, hangs or panics as it is told, and counts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_auth::remote::{Fetch, FetchError, Fetching};
use http::{Request, Response, header::CACHE_CONTROL};

/// Clones are the same issuer.
#[derive(Clone, Default)]
pub(crate) struct Issuer {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    pages: HashMap<String, Page>,
    asked: Vec<Request<()>>,
}

type Answer = dyn Fn(&Request<()>) -> Response<Bytes> + Send + Sync;

#[derive(Clone)]
pub(crate) enum Page {
    /// This text, fresh for so many seconds, after so long.
    Text {
        text: String,
        max_age: u64,
        after: Duration,
    },
    /// Whatever this makes of the request.
    Answer(Arc<Answer>),
    Hang,
    Panic,
}

impl Issuer {
    /// An issuer that publishes this text at every path it is asked for.
    pub(crate) fn publishing(text: &str) -> Self {
        let issuer = Self::default();
        issuer.publish(text);
        issuer
    }

    pub(crate) fn publish(&self, text: &str) {
        self.publish_for(text, 3_600);
    }

    pub(crate) fn publish_for(&self, text: &str, max_age: u64) {
        let (text, after) = (text.to_owned(), Duration::from_millis(10));
        self.page("*", Page::Text { text, max_age, after });
    }

    pub(crate) fn page(&self, path: &str, page: Page) {
        self.inner.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    pub(crate) fn answer(
        &self,
        path: &str,
        answer: impl Fn(&Request<()>) -> Response<Bytes> + Send + Sync + 'static,
    ) {
        self.page(path, Page::Answer(Arc::new(answer)));
    }

    /// From now on nothing is answered.
    pub(crate) fn go_away(&self) {
        self.inner.lock().unwrap().pages.clear();
    }

    /// The URLs that were asked for.
    pub(crate) fn fetched(&self) -> Vec<String> {
        self.asked().iter().map(|request| request.uri().to_string()).collect()
    }

    /// The requests that were made.
    pub(crate) fn asked(&self) -> Vec<Request<()>> {
        self.inner.lock().unwrap().asked.clone()
    }

    pub(crate) fn fetches(&self) -> usize {
        self.inner.lock().unwrap().asked.len()
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_left(&self) -> bool {
        Arc::strong_count(&self.inner) == 1
    }
}

impl Fetch for Issuer {
    fn fetch(&self, request: Request<()>, _limit: usize) -> Fetching<'_> {
        Box::pin(self.answer_to(request))
    }
}

impl Issuer {
    async fn answer_to(&self, request: Request<()>) -> Result<Response<Bytes>, FetchError> {
        let page = {
            let mut inner = self.inner.lock().unwrap();
            inner.asked.push(request.clone());
            inner.pages.get(request.uri().path()).or_else(|| inner.pages.get("*")).cloned()
        };
        match page {
            None => Err(FetchError::Unreachable("connection refused".into())),
            Some(Page::Answer(answer)) => Ok(answer(&request)),
            Some(Page::Hang) => std::future::pending().await,
            Some(Page::Panic) => panic!("the fetch panics"),
            Some(Page::Text { text, max_age, after }) => {
                tokio::time::sleep(after).await;
                let response =
                    Response::builder().header(CACHE_CONTROL, format!("public, max-age={max_age}"));
                Ok(response.body(text.into()).unwrap())
            }
        }
    }
}

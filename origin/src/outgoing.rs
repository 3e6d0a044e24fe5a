//! Requests to other services: the issuer of tokens, the resolver of departments.

use std::{collections::HashMap, io::Read as _, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use rollcall_api::{ANSWER_WITHIN, BackendError, Busy, Post};
use tokio::{sync::Semaphore, task::JoinError};
use ureq::Agent;

/// Concurrent requests; each holds a thread until its service answers.
const CONCURRENCY: usize = 64;
/// The same of requests about tokens that were never good, beside those.
const STRANGERS: usize = 32;
/// Requests about such tokens that are under way or wait; a further one is refused at once.
const STRANGERS_WAITING: usize = 512;
/// The same of one address.
const ADDRESS_WAITING: usize = 64;

/// Why another service has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    /// No permit became free in time.
    #[error("no request to another service ended in time")]
    NoPermit,
    /// Too many requests about unknown tokens wait for one.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The request failed.
    #[error(transparent)]
    Http(#[from] ureq::Error),
    /// The request panicked.
    #[error("a request to another service panicked")]
    Panicked(#[from] JoinError),
}

/// A client that keeps its connections. It follows no redirects, which would carry a token to another host.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    permits: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

/// The places of requests about unknown tokens.
struct Strangers {
    permits: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A request about an unknown token that is under way or waits.
struct Place {
    strangers: Arc<Strangers>,
    address: IpAddr,
}

impl Place {
    fn of(strangers: &Arc<Strangers>, address: IpAddr) -> Result<Self, Busy> {
        let mut waiting = strangers.waiting.lock();
        let here = waiting.by_address.get(&address).copied().unwrap_or_default();
        if waiting.all >= STRANGERS_WAITING || here >= ADDRESS_WAITING {
            return Err(Busy);
        }
        waiting.all += 1;
        waiting.by_address.insert(address, here + 1);
        Ok(Self { strangers: strangers.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.strangers.waiting.lock();
        waiting.all -= 1;
        if let Some(here) = waiting.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                waiting.by_address.remove(&self.address);
            }
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        let permits = |most| Arc::new(Semaphore::new(most));
        let strangers = Strangers { permits: permits(STRANGERS), waiting: Mutex::default() };
        Self { agent: config.into(), permits: permits(CONCURRENCY), strangers: Arc::new(strangers) }
    }
}

impl Client {
    /// Posts a request and returns the answer's status and body.
    ///
    /// # Errors
    /// When the service has not answered within [`ANSWER_WITHIN`], or a stranger's request finds no place.
    pub(crate) async fn post(&self, request: Post) -> Result<(u16, Vec<u8>), OutgoingError> {
        let place = request.stranger.map(|address| Place::of(&self.strangers, address)).transpose()?;
        let permits = if place.is_some() { &self.strangers.permits } else { &self.permits };
        // The wait for a permit counts as well: behind a service that hangs, callers must not queue up.
        let permit = tokio::time::timeout(ANSWER_WITHIN, permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(if place.is_some() { Busy.into() } else { OutgoingError::NoPermit });
        };
        let agent = self.agent.clone();
        let ask = move || {
            let answer = send(&agent, &request);
            drop((permit, place));
            answer
        };
        Ok(tokio::task::spawn_blocking(ask).await??)
    }
}

impl From<OutgoingError> for BackendError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Busy(busy) => Self::new(busy),
            other => Self::new(other),
        }
    }
}

fn send(agent: &Agent, request: &Post) -> Result<(u16, Vec<u8>), ureq::Error> {
    let mut builder = agent
        .post(&request.url)
        .header("Content-Type", request.content_type)
        .header("Accept", "application/json")
        .header("XC-Request-Id", &request.request_id);
    if let Some(authorization) = &request.authorization {
        builder = builder.header("Authorization", authorization.expose());
    }
    let mut answer = builder.send(request.body.expose())?;
    let mut body = Vec::new();
    let most = u64::try_from(request.answer_bytes).unwrap_or(u64::MAX);
    answer.body_mut().as_reader().take(most).read_to_end(&mut body)?;
    Ok((answer.status().as_u16(), body))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use rollcall_core::secret::Secret;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinSet,
    };

    use super::*;

    #[test]
    fn questions_about_unknown_tokens_have_512_places_and_an_address_64_of_them() {
        let strangers = Client::default().strangers;
        let address = |last: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let mut places = Vec::new();
        for last in 0..8 {
            places.extend((0..64).map(|_| Place::of(&strangers, address(last)).unwrap()));
            assert!(Place::of(&strangers, address(last)).is_err(), "one more of an address, {last}");
        }
        assert_eq!(places.len(), 512);
        assert!(Place::of(&strangers, address(8)).is_err(), "one more of another address");
        places.pop();
        assert!(Place::of(&strangers, address(8)).is_ok(), "the place that was given back");
        drop(places);
        let waiting = strangers.waiting.lock();
        assert!(waiting.all == 0 && waiting.by_address.is_empty());
    }

    fn question(service: SocketAddr, body: &str, stranger: Option<IpAddr>) -> Post {
        Post {
            url: format!("http://{service}/"),
            content_type: "text/plain",
            authorization: None,
            request_id: String::new(),
            body: Secret::from(body),
            answer_bytes: 100,
            stranger,
        }
    }

    /// The known-wrong way was to let them take the places of questions about known tokens.
    #[tokio::test]
    async fn questions_about_unknown_tokens_are_under_way_32_at_a_time_and_others_beside_them() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = service.local_addr().unwrap();
        let client = Client::default();
        let stranger = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let mut asking = JoinSet::new();
        for _ in 0..40 {
            let client = client.clone();
            asking.spawn(async move { client.post(question(address, "unknown", stranger)).await });
        }
        let mut held = Vec::new();
        for _ in 0..32 {
            held.push(service.accept().await.unwrap().0);
        }
        let known = tokio::spawn({
            let client = client.clone();
            async move { client.post(question(address, "known", None)).await }
        });
        let (mut next, _) = service.accept().await.unwrap();
        let mut heard = String::new();
        while !heard.ends_with("known") {
            let mut some = [0; 1_024];
            let length = next.read(&mut some).await.unwrap();
            assert_ne!(length, 0, "{heard}");
            heard.push_str(std::str::from_utf8(&some[..length]).unwrap());
        }
        assert!(!heard.contains("unknown"), "a 33rd of them");
        assert_eq!(client.strangers.waiting.lock().all, 40);
        next.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert_eq!(known.await.unwrap().unwrap().0, 200);
        // The next one has the place of one that ended.
        drop(held.pop());
        service.accept().await.unwrap();
        drop((held, service));
    }
}

//! Requests to other services: the issuer of tokens, the resolver of departments.

use std::{io::Read as _, sync::Arc};

use rollcall_api::{ANSWER_BYTES, ANSWER_WITHIN, Post};
use tokio::{sync::Semaphore, task::JoinError};
use ureq::Agent;

/// Concurrent requests; each holds a thread until its service answers.
const CONCURRENCY: usize = 64;

/// Why another service has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    /// No permit became free in time.
    #[error("too many requests are waiting")]
    Busy,
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
}

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self { agent: config.into(), permits: Arc::new(Semaphore::new(CONCURRENCY)) }
    }
}

impl Client {
    /// Posts a request and returns the answer's status and body.
    ///
    /// # Errors
    /// When the service has not answered within [`ANSWER_WITHIN`].
    pub(crate) async fn post(&self, request: Post) -> Result<(u16, Vec<u8>), OutgoingError> {
        // The wait for a permit counts as well: behind a service that hangs, callers must not queue up.
        let permit = tokio::time::timeout(ANSWER_WITHIN, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(OutgoingError::Busy);
        };
        let agent = self.agent.clone();
        let ask = move || {
            let answer = send(&agent, &request);
            drop(permit);
            answer
        };
        Ok(tokio::task::spawn_blocking(ask).await??)
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
    let most = u64::try_from(ANSWER_BYTES).unwrap_or(u64::MAX);
    answer.body_mut().as_reader().take(most).read_to_end(&mut body)?;
    Ok((answer.status().as_u16(), body))
}

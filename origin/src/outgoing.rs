//! Requests to other services: the issuer of tokens, the resolver of departments.

use std::{io::Read as _, sync::Arc};

use rollcall_api::{ANSWER_BYTES, ANSWER_WITHIN, BackendError, Post};
use tokio::sync::Semaphore;
use ureq::Agent;

/// Requests at a time; each holds a thread while its service takes its time.
const AT_ONCE: usize = 64;

/// A client that keeps its connections. Redirects are not followed: they would carry a token elsewhere.
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
        Self { agent: config.into(), permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Client {
    pub(crate) async fn post(&self, request: Post) -> Result<(u16, Vec<u8>), BackendError> {
        // The wait for a permit counts as well: behind a service that hangs, callers must not queue up.
        let permit = tokio::time::timeout(ANSWER_WITHIN, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(BackendError("too many requests are waiting".to_owned()));
        };
        let agent = self.agent.clone();
        let ask = move || {
            let answer = send(&agent, &request);
            drop(permit);
            answer.map_err(|error| BackendError(error.to_string()))
        };
        tokio::task::spawn_blocking(ask).await.map_err(|error| BackendError(error.to_string()))?
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

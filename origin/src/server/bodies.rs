//! Request bodies: what they take of the budget, and how slowly they may come (`docs/operating.md#request-bodies`).

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
};
use http::{Version, header::CONTENT_LENGTH};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use rollcall_api::{BodyBudget, OPEN_BODY_BYTES};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{connection::STREAM_WINDOW, pace::Pace};

/// Puts a request's body under the budget and the pace. `address` is its client's.
pub(super) fn bound(request: Request, budget: &BodyBudget, address: IpAddr) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let reserved = reserved(&request);
    let mut request = request.map(|body| Body::new(PacedBody::new(body)));
    request.extensions_mut().insert(budget.account(address, reserved));
    request
}

/// What the connection may hold of a body before it is read, and a stranger of it afterwards, in bytes. A connection of
/// HTTP/1.1 has one small buffer for everything.
fn reserved(request: &Request) -> usize {
    if request.version() != Version::HTTP_2 {
        return 0;
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length: usize = announced.unwrap_or(usize::MAX);
    length.min(STREAM_WINDOW) + length.min(OPEN_BODY_BYTES)
}

/// A body that ends with an error when its client sends too slowly.
struct PacedBody {
    body: Body,
    pace: Pace,
    /// Made by the first wait: most bodies arrive with their head.
    timer: Option<Pin<Box<Sleep>>>,
}

impl PacedBody {
    fn new(body: Body) -> Self {
        Self { body, pace: Pace::default(), timer: None }
    }
}

impl HttpBody for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(polled) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &polled {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.pace.progress(Instant::now(), bytes);
            }
            return Poll::Ready(polled);
        }
        let at = self.pace.wait(Instant::now());
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        ready!(timer.as_mut().poll(context));
        tracing::debug!("a body came too slowly");
        Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A body whose pieces come after so many seconds each, and that then stalls.
    fn stalling(pieces: &'static [(u32, usize)]) -> PacedBody {
        let pieces = stream::iter(pieces).then(|(seconds, bytes)| async move {
            tokio::time::sleep(SECOND * *seconds).await;
            Ok::<_, io::Error>(Bytes::from(vec![0; *bytes]))
        });
        PacedBody::new(Body::from_stream(pieces.chain(stream::pending())))
    }

    /// The time until the body fails, and the bytes that came before.
    async fn ended(mut body: PacedBody) -> (u64, usize) {
        let (begun, mut bytes) = (Instant::now(), 0);
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.into_data().map_or(0, |data| data.len());
        }
        (begun.elapsed().as_secs(), bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_ended_after_a_minute_however_fast_it_began() {
        assert_eq!(ended(stalling(&[])).await, (60, 0));
        assert_eq!(ended(stalling(&[(0, 100)])).await, (60, 100));
        let (after, bytes) = ended(stalling(&[(0, 1 << 20)])).await;
        assert!((60..=61).contains(&after) && bytes == 1 << 20, "{bytes} bytes bought {after} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_slowly_is_read_and_one_that_drips_is_not() {
        assert_eq!(ended(stalling(&[(50, 1), (50, 1)])).await.1, 1);
        let (after, bytes) = ended(stalling(&[(50, 60 << 10), (50, 60 << 10), (50, 60 << 10)])).await;
        assert_eq!(bytes, 180 << 10);
        assert!((210..=211).contains(&after), "{after}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_the_server_takes_is_not_the_bodys() {
        let mut body = stalling(&[(0, 100), (50, 100)]);
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(600 * SECOND).await;
        body.frame().await.unwrap().unwrap();
        // Of the last minute of waiting, 50 s are over.
        assert_eq!(ended(body).await, (10, 0));
    }
}

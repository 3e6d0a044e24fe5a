//! Request bodies: bounded before they are read (`docs/rules/openim.md#bodies`).

use axum::{body::Body, extract::Request};
use http::{header::CONTENT_LENGTH, request::Parts};
use http_body_util::BodyExt as _;

use crate::BodyAccount;

/// The largest body that a route takes, in bytes.
pub const BODY_BYTES: usize = 1 << 20;
/// The largest body of a route that asks for no token, in bytes.
pub const OPEN_BODY_BYTES: usize = 8 << 10;
/// The first piece of memory for a body of unknown length, in bytes.
const FIRST: usize = 1 << 10;

/// The reason why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The body exceeds the route's limit, in bytes.
    TooLarge(usize),
    /// The connection broke before its end, or it came too slowly.
    Incomplete,
    /// The process holds as many bodies as it may.
    NoRoom,
}

/// Reads the body of a request ([`read`]).
pub(crate) async fn whole(request: Request, most: usize) -> Result<(Parts, Vec<u8>), BodyError> {
    let (parts, body) = request.into_parts();
    let bytes = read(&parts, body, most).await?;
    Ok((parts, bytes))
}

/// Reads the whole body, of at most `most` bytes, without a byte order mark. A body whose `Content-Length` is too large is rejected before a byte of it
/// is read.
///
/// Its pieces are copied into one: each of them would keep the buffer of the connection that it came in. The request's
/// [`BodyAccount`] is charged until `parts` is dropped.
pub(crate) async fn read(parts: &Parts, mut body: Body, most: usize) -> Result<Vec<u8>, BodyError> {
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(BodyError::TooLarge(most));
    }
    let whole_length = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(most);
    let account = parts.extensions.get::<BodyAccount>();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // What is no data is a trailer.
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > most {
            return Err(BodyError::TooLarge(most));
        }
        if length > whole.capacity() {
            let capacity = length.max(2 * whole.capacity()).max(FIRST).min(whole_length.max(length));
            if let Some(account) = account {
                account.hold(capacity).map_err(|_| BodyError::NoRoom)?;
            }
            whole.reserve_exact(capacity - whole.len());
        }
        whole.extend_from_slice(&data);
    }
    if let Some(account) = account {
        account.arrived();
    }
    whole.drain(..whole.len() - without_bom(&whole).len());
    Ok(whole)
}

/// A text without the mark that some editors write in front of it.
pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::body::Bytes;
    use futures_util::{FutureExt as _, stream};
    use http::Request;

    use super::*;
    use crate::BodyBudget;

    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn pieces(length: usize, size: usize) -> Body {
        let pieces = (0..length).step_by(size).map(move |at| size.min(length - at));
        Body::from_stream(stream::iter(pieces.map(|size| Ok::<_, BodyError>(Bytes::from(vec![b' '; size])))))
    }

    impl std::error::Error for BodyError {}
    impl std::fmt::Display for BodyError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    fn parts(length: Option<usize>, account: Option<BodyAccount>) -> Parts {
        let mut request = Request::new(());
        if let Some(length) = length {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        if let Some(account) = account {
            request.extensions_mut().insert(account);
        }
        request.into_parts().0
    }

    #[test]
    fn a_body_is_whole_however_it_arrives_and_ends_at_its_limit() {
        for length in [0, 1, FIRST, FIRST + 1, OPEN_BODY_BYTES - 1, OPEN_BODY_BYTES] {
            for size in [1, 1000, 1 << 20] {
                for announced in [None, Some(length)] {
                    let parts = parts(announced, None);
                    let read = read(&parts, pieces(length, size), OPEN_BODY_BYTES);
                    let whole = read.now_or_never().unwrap().unwrap();
                    assert_eq!(whole.len(), length);
                    assert!(whole.capacity() <= OPEN_BODY_BYTES);
                }
            }
        }
        for announced in [None, Some(OPEN_BODY_BYTES + 1), Some(7)] {
            let parts = parts(announced, None);
            let read = read(&parts, pieces(OPEN_BODY_BYTES + 1, 1000), OPEN_BODY_BYTES);
            assert_eq!(read.now_or_never(), Some(Err(BodyError::TooLarge(OPEN_BODY_BYTES))));
        }
    }

    #[test]
    fn what_is_held_of_a_body_is_charged_until_its_request_is_over() {
        let budget = BodyBudget::new(BODY_BYTES);
        let request = parts(None, Some(budget.account(STRANGER, 0)));
        read(&request, pieces(5000, 100), OPEN_BODY_BYTES).now_or_never().unwrap().unwrap();
        assert!((5000..=OPEN_BODY_BYTES).contains(&budget.held()), "{}", budget.held());
        let no_room = parts(None, Some(budget.account(STRANGER, BODY_BYTES)));
        let refused = read(&no_room, pieces(1, 1), OPEN_BODY_BYTES).now_or_never();
        assert_eq!(refused, Some(Err(BodyError::NoRoom)));
        drop((request, no_room));
        assert_eq!(budget.held(), 0);
    }
}

//! Refusals that come before every route: of handshakes, and of a server that is not configured. Callers of an API parse them, so
//! that they stand in the envelope of the path's family.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use rollcall_core::{
    message_center::MessageCenterError,
    openim::{Code, DetailStyle, OpenImError},
};

use crate::{Backend, message_center, openim, pages};

/// Why a server opens no socket, whatever the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedHandshake {
    /// The process is about to stop; another one takes the client in.
    Stopping,
    /// Pages of this origin may not connect.
    ForeignPage,
}

/// The answer to a handshake that is refused before its token is looked at.
pub fn refuse_handshake<B: Backend>(
    backend: &B,
    uri: &Uri,
    headers: &HeaderMap,
    why: RefusedHandshake,
) -> Response {
    if message_center::answers(uri) {
        let error = match why {
            RefusedHandshake::Stopping => MessageCenterError::Busy,
            RefusedHandshake::ForeignPage => MessageCenterError::ForeignPage,
        };
        return message_center::refuse(backend, headers, &error);
    }
    openim::RouteError::of_handshake(why).into_response()
}

/// The answer of a server whose configuration is wrong. `text` says what to do; outside of the APIs people read it as it is.
/// `datetime` is the server's date in the form of the message center.
pub fn not_configured(uri: &Uri, text: &str, datetime: String) -> Response {
    let (kind, body) = explained(uri, text, datetime);
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn explained(uri: &Uri, text: &str, datetime: String) -> (&'static str, String) {
    if message_center::answers(uri) {
        ("application/json", message_center::explained(text, datetime))
    } else if pages::owns(uri.path()) || matches!(uri.path(), "/" | "/health") {
        ("text/plain; charset=utf-8", format!("{text}\n"))
    } else {
        let error = OpenImError::new(Code::Internal, text.to_owned());
        ("application/json; charset=utf-8", error.to_json(DetailStyle::Seed))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn programs_read_json_of_a_server_that_is_not_configured_and_people_read_text() {
        let answer = |path: &str| {
            let (kind, body) =
                explained(&path.parse().unwrap(), "auth.secret is not set", "a date".to_owned());
            assert_eq!(kind.starts_with("application/json"), body.starts_with('{'), "{path}");
            body
        };
        for path in ["/", "/health", "/console/", "/docs"] {
            assert_eq!(answer(path), "auth.secret is not set\n", "{path}");
        }
        for path in ["/auth/get_user_token", "/user/get_users_status", "/msg_gateway?sendID=1", "/nowhere"] {
            let told: Value = serde_json::from_str(&answer(path)).unwrap();
            assert_eq!(told["errCode"], 500, "{path}: {told}");
            assert_eq!(told["errDlt"], "auth.secret is not set: [500]ServerInternalError", "{path}");
        }
        for path in ["/api/v1/message/center/online", "/admin/v1/me", "/ws/messageCenter"] {
            let told: Value = serde_json::from_str(&answer(path)).unwrap();
            assert_eq!(
                (&told["code"], &told["msg"]),
                (&"E2".into(), &"auth.secret is not set".into()),
                "{path}"
            );
            assert_eq!(
                (&told["ext"]["eKey"], &told["datetime"]),
                (&"unknown_error".into(), &"a date".into())
            );
        }
    }
}

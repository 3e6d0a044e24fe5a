//! The span of a request in the log.
//!
//! It holds the caller's ids of the request, so that both logs can be compared, and the template of the route. It never holds
//! the query, other headers or the body: all of them carry tokens.

use http::{HeaderMap, HeaderName, Method, Request};
use tracing::Span;

use crate::message_center::REQUEST_ID;

/// OpenIM's id of a request.
const OPERATION_ID: HeaderName = HeaderName::from_static("operationid");
/// The longest part of an id that is logged.
const NAME_BYTES: usize = 64;

/// The span of a request, with the names that its caller gave it in `operation_id` and `request_id`.
pub fn request_span<T>(request: &Request<T>, route: &str) -> Span {
    let headers = request.headers();
    // Of the level of errors: a quiet log needs the ids of its few lines.
    tracing::error_span!(
        "request",
        method = method(request.method()),
        route,
        operation_id = name(headers, &[OPERATION_ID]),
        request_id = name(headers, &REQUEST_ID),
        // Where the runtime knows it.
        version = tracing::field::Empty,
    )
}

/// The method's name, from a fixed list: a client may invent methods.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// The beginning of the first of these headers, with every byte replaced that could forge a log line.
fn name(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    let given = names.iter().find_map(|name| headers.get(name))?;
    let harmless = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' };
    Some(given.as_bytes().iter().take(NAME_BYTES).map(harmless).collect())
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, sync::Arc};

    use super::*;

    /// A log line inside the request's span.
    fn line(request: Request<&'static str>) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(writer)).finish();
        tracing::subscriber::with_default(log, || {
            request_span(&request, "/users/{id}").in_scope(|| tracing::info!("carried out"));
        });
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    }

    #[test]
    fn a_line_says_which_request_it_belongs_to_and_nothing_that_may_be_a_secret() {
        let request = Request::post("/users/7?token=t0k3n")
            .header("operationID", "op-1")
            .header("token", "t0k3n")
            .header("authorization", "Bearer t0k3n")
            .body("t0k3n")
            .unwrap();
        let said = line(request);
        assert!(said.contains(r#"request{method="POST" route="/users/{id}" operation_id="op-1"}"#), "{said}");
        assert!(!said.contains("t0k3n") && !said.contains("/users/7"), "{said}");
    }

    #[test]
    fn of_two_request_ids_the_message_centers_own_counts() {
        let request = Request::get("/")
            .header("x-request-id", "of a proxy")
            .header("xc-request-id", "ours")
            .body("")
            .unwrap();
        assert!(line(request).contains(r#"request_id="ours""#));
        let request = Request::get("/").header("x-request-id", "theirs").body("").unwrap();
        assert!(line(request).contains(r#"request_id="theirs""#));
    }

    #[test]
    fn names_are_bounded_and_made_harmless() {
        let long = "x".repeat(10_000);
        let mut request = Request::new("");
        *request.method_mut() = Method::from_bytes(long.as_bytes()).unwrap();
        request.headers_mut().insert(OPERATION_ID, long.parse().unwrap());
        let forged = http::HeaderValue::from_bytes(b"a\" b\tERROR \xff\xe2\x80\xae").unwrap();
        request.headers_mut().insert("xc-request-id", forged);
        let said = line(request);
        assert!(said.contains(&format!("operation_id=\"{}\"", "x".repeat(NAME_BYTES))), "{said}");
        assert!(said.contains(r#"method="other""#), "{said}");
        assert!(said.contains(r#"request_id="a\"?b?ERROR?????""#), "{said}");
    }
}

//! The web console and the API reference: built files, with the same headers on both runtimes (`docs/rules/pages.md`).

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use crate::{Backend, Chain, is_below};

/// The built files as `sha256sum` lists them. A path that is not among them is not found, and reaches no runtime.
const LIST: &str = include_str!("../../console/dist/files.txt");

/// The folders of pages.
const FOLDERS: [&str; 2] = ["/console", "/docs"];

/// A script runs only from a file of ours, and the page is in no frame and speaks with no other host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The same for the viewer of the reference, whose style sheet has pictures in it.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The headers of every file.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The body of a built file.
#[derive(Clone, Debug)]
pub struct PageBody {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether they are compressed.
    pub gzip: bool,
}

/// The routes; without any where `console.enabled` is off.
pub(crate) fn routes<B: Backend>(backend: &B) -> Router<B> {
    if !backend.settings().console.enabled {
        return Router::new();
    }
    ["/console", "/console/", "/console/{*file}", "/docs", "/docs/", "/docs/{*file}"]
        .into_iter()
        .fold(Router::new(), |routes, path| routes.route(path, get(serve::<B>)))
}

/// Whether a path is that of a page, so that people read the answer.
pub(crate) fn owns(path: &str) -> bool {
    FOLDERS.iter().any(|folder| is_below(path, folder))
}

/// The answer where there is no page.
pub(crate) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "404: there is no such page\n").into_response()
}

/// A built file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    /// Below the folder of built files.
    name: &'static str,
    sha256: &'static str,
}

impl File {
    /// The file of a path; a folder's is its index.
    fn at(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        LIST.lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sha256, name)| Self { name, sha256 })
            .find(|file| {
                file.name == path || path.ends_with('/') && file.name.strip_prefix(path) == Some("index.html")
            })
    }

    fn media_type(self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The names below `assets` hold a hash of their content.
    fn caching(self) -> &'static str {
        if self.name.contains("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
    }

    fn policy(self) -> &'static str {
        if self.name.starts_with("docs/") { REFERENCE_POLICY } else { POLICY }
    }

    /// Weak, since it stands for the compressed bytes too.
    fn validator(self) -> String {
        ["W/\"", self.sha256.get(..32).unwrap_or(self.sha256), "\""].concat()
    }
}

async fn serve<B: Backend>(State(backend): State<B>, uri: Uri, headers: HeaderMap) -> Response {
    let mut response = found(&backend, &uri, &headers).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // What is no file says nothing of its own.
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-cache")] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn found<B: Backend>(backend: &B, uri: &Uri, headers: &HeaderMap) -> Response {
    if let Some(folder) = FOLDERS.iter().find(|folder| **folder == uri.path()) {
        // Relative, since a proxy may have moved the path.
        let place = [folder.trim_start_matches('/'), "/"].concat();
        return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]).into_response();
    }
    let Some(file) = File::at(uri.path()) else { return not_found() };
    let validator = file.validator();
    let has = |name: HeaderName, wanted: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|one| is_meant(one.trim(), wanted))
    };
    let mut response = if has(header::IF_NONE_MATCH, &validator) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match backend.page(file.name, has(header::ACCEPT_ENCODING, "gzip")).await {
            Ok(Some(body)) => answer(file, body),
            Ok(None) => return not_found(),
            Err(error) => {
                tracing::error!(error = %Chain(&error), file = file.name, "a page could not be read");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(file.policy()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(file.caching()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(value) = HeaderValue::try_from(validator) {
        headers.insert(header::ETAG, value);
    }
    response
}

/// Whether one item of a list in a request means this: validators are compared weakly, and a weight of 0 takes an encoding out.
fn is_meant(item: &str, wanted: &str) -> bool {
    let (name, weight) =
        item.split_once(';').map_or((item, ""), |(name, weight)| (name.trim(), weight.trim()));
    name.trim_start_matches("W/") == wanted.trim_start_matches("W/")
        && !matches!(weight.trim_start_matches("q="), "0" | "0." | "0.0" | "0.00" | "0.000")
}

fn answer(file: File, body: PageBody) -> Response {
    let mut response = Response::new(Body::from(body.bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type()));
    if body.gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_has_an_index() {
        for (path, name) in [("/console/", "console/index.html"), ("/docs/", "docs/index.html")] {
            assert_eq!(File::at(path).map(|file| file.name), Some(name));
        }
    }

    #[test]
    fn lists_of_requests_are_read_with_their_weights() {
        for item in ["gzip", "gzip;q=1.0", "gzip ; q=0.5"] {
            assert!(is_meant(item, "gzip"), "{item}");
        }
        for item in ["gzip;q=0", "gzip; q=0.000", "br", ""] {
            assert!(!is_meant(item, "gzip"), "{item}");
        }
        assert!(
            is_meant("\"a\"", "W/\"a\"") && is_meant("W/\"a\"", "W/\"a\"") && !is_meant("\"b\"", "W/\"a\"")
        );
    }

    #[test]
    fn no_path_leads_out_of_the_list() {
        for path in [
            "/console",
            "/console/x",
            "/console/../docs/index.html",
            "/files.txt",
            "/",
            "",
            "console/",
            "//console/",
        ] {
            assert_eq!(File::at(path), None, "{path}");
        }
    }

    #[test]
    fn only_names_with_a_hash_are_cached_for_good() {
        for line in LIST.lines() {
            let name = line.split_once("  ").unwrap().1;
            let file = File::at(&format!("/{name}")).unwrap();
            assert_eq!(file.caching() == "no-cache", !name.starts_with("console/assets/"), "{name}");
            assert!(file.validator().len() > 30);
        }
    }
}

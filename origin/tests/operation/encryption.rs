//! TLS, and a certificate that is replaced while the server runs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::kit::Server;

/// Writes a fresh pair; what a client has to trust comes back.
fn fresh_pair(home: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(home.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(home.join("certificate.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

fn start(home: &Path) -> Server {
    let path = |name: &str| home.join(name).to_string_lossy().into_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let variables =
        [("tls.certificate", certificate.as_str()), ("tls.key", &key), ("header_timeout_seconds", "1")];
    Server::start_with(&home.join("data"), &variables)
}

/// What a client has to trust.
pub(crate) type Trusted = CertificateDer<'static>;

/// A server on this data that speaks TLS alone, and what its clients have to trust.
pub(crate) fn serve(data: &Path, more: &str) -> (Server, Trusted) {
    let home = data.parent().unwrap();
    let trusted = fresh_pair(home);
    let path = |name: &str| home.join(name).to_string_lossy().into_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let variables = [("tls.certificate", certificate.as_str()), ("tls.key", &key)];
    (Server::start_as(data, more, &variables, ""), trusted)
}

async fn connect(
    server: &Server,
    trusted: &Trusted,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    encrypt(TcpStream::connect(server.address).await?, trusted, protocol).await
}

/// TLS over a connection.
pub(crate) async fn encrypt(
    stream: TcpStream,
    trusted: &Trusted,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn rest_and_sockets_are_served_inside_tls() {
    let home = tempfile::tempdir().unwrap();
    let certificate = fresh_pair(home.path());
    let server = start(home.path());
    let stream = connect(&server, &certificate, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/health").body(Empty::<Bytes>::new()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), r#"{"status":"ok"}"#);

    // A gateway socket: refused in band, because its token is none.
    let stream = connect(&server, &certificate, b"http/1.1").await.unwrap();
    let url = "wss://localhost/?sendID=7&platformID=5&operationID=op&isMsgResp=true&sdkType=js&token=x";
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let said = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
    assert!(said.to_text().unwrap().contains("\"errCode\":15"), "{said}");
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_cut() {
    let home = tempfile::tempdir().unwrap();
    fresh_pair(home.path());
    let server = start(home.path());
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    // An idle connection is ended far later.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_certificate_is_replaced_on_sighup_and_a_bad_one_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let first = fresh_pair(home.path());
    let server = start(home.path());
    let mut kept = connect(&server, &first, b"http/1.1").await.unwrap();

    fs::write(home.path().join("key.pem"), "no key").unwrap();
    server.signal(Signal::HUP);
    server.until_logged("the old certificate stays in use").await;
    assert!(server.log().contains("key.pem"), "{}", server.log());
    connect(&server, &first, b"http/1.1").await.unwrap();

    let second = fresh_pair(home.path());
    server.signal(Signal::HUP);
    server.until_logged("the certificate was read again").await;
    connect(&server, &second, b"http/1.1").await.unwrap();
    assert!(connect(&server, &first, b"http/1.1").await.is_err(), "the old one is still shown");
    // Connections that were open speak on.
    tokio::io::AsyncWriteExt::write_all(&mut kept, b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let mut said = String::new();
    kept.read_to_string(&mut said).await.ok();
    assert!(said.starts_with("HTTP/1.0 200"), "{said:?}");
}

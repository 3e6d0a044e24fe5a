//! Requests over kept connections, with little work on the client's side.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream};

use crate::{clock::Instant, stats::count};

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A `POST` request with a JSON body.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    request.into_bytes()
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and returns the answer's body.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        let (head, length) = loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(self.unread.get(..end).unwrap_or_default());
                break (end + 4, content_length(&head)?);
            }
            self.more().await?;
        };
        while self.unread.len() < head + length {
            self.more().await?;
        }
        let body = self.unread.get(head..head + length).unwrap_or_default().to_vec();
        self.unread.drain(..head + length);
        Ok(body)
    }

    /// Sends a request and parses the answer's JSON.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Value> {
        serde_json::from_slice(&self.send(request).await?).context("an answer is not JSON")
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            bail!("the server closed a kept connection");
        }
        Ok(())
    }
}

/// The content length in a head with status 200.
fn content_length(head: &str) -> Result<usize> {
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the server answered {}", head.lines().next().unwrap_or_default());
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.context("an answer without a length")?.1.trim().parse()?)
}

/// The result of a load.
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Seconds from each request to its answer.
    pub(crate) took: Vec<f64>,
}

/// Repeats a request over kept connections for `time`, on each as soon as the last answer has arrived.
///
/// # Errors
/// When an answer is not 200 or does not contain `expected`.
pub(crate) async fn load(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    request: &[u8],
    expected: &str,
) -> Result<Load> {
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(Connection::open(address).await?);
    }
    let begin = Instant::now();
    let took = try_join_all(all.into_iter().map(|mut connection| async move {
        let mut took = Vec::new();
        while Instant::now().since(begin) < time {
            let sent = Instant::now();
            let body = connection.send(request).await?;
            took.push(Instant::now().since(sent).as_secs_f64());
            if !body.windows(expected.len()).any(|window| window == expected.as_bytes()) {
                bail!("unexpected: {}", String::from_utf8_lossy(&body));
            }
        }
        Ok(took)
    }))
    .await?;
    let took: Vec<f64> = took.into_iter().flatten().collect();
    let rate = count(took.len()) / Instant::now().since(begin).as_secs_f64();
    Ok(Load { rate, took })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_the_length_of_a_success_only() {
        assert_eq!(content_length("HTTP/1.1 200 OK\r\nContent-Length: 17\r\nx: y").unwrap(), 17);
        content_length("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 17").unwrap_err();
        content_length("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").unwrap_err();
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let request = String::from_utf8(post("/x", &[("a", "b")], "{}")).unwrap();
        assert!(
            request.starts_with("POST /x HTTP/1.1\r\n")
                && request.ends_with("a: b\r\ncontent-length: 2\r\n\r\n{}")
        );
    }
}

//! A small HTTP/1.1 client over a plain socket.
//!
//! Small on purpose: it sends exactly the header lines it is given (missing, repeated, oddly cased,
//! lying about the length), which well-behaved clients refuse to do.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// An answer larger than this is an error of the subject.
const LARGEST_ANSWER: usize = 64 << 20;

/// A request, header lines in the order in which they are sent.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// The header lines of the case; `host` and `content-length` are added unless given.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    /// A `POST` with a JSON content type and no other header.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target).header("content-type", "application/json")
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether the case gave such a header line.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The value of the first such header line.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The head as bytes.
    pub fn head(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str(&format!("host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodiless = self.body.is_empty() && matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if !bodiless && !self.has("content-length") && !self.has("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, transfer coding removed.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, repeated lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// One connection; several requests may follow each other on it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        Ok(Self::over(stream, address))
    }

    /// Speaks over a socket that the caller prepared.
    pub fn over(stream: TcpStream, address: SocketAddr) -> Self {
        // Small requests on a kept connection would otherwise wait for delayed acknowledgements.
        stream.set_nodelay(true).ok();
        Self { stream, host: address.to_string(), unread: Vec::new() }
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&mut self, request: &Request) -> Result<Response> {
        let mut bytes = request.head(&self.host);
        bytes.extend_from_slice(&request.body);
        self.write(&bytes).await?;
        self.answer(&request.method).await
    }

    /// Sends raw bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("sending the request")?;
        self.stream.flush().await.context("sending the request")
    }

    /// Waits for an answer to what was sent.
    pub async fn answer(&mut self, method: &str) -> Result<Response> {
        read_response(&mut self.stream, &mut self.unread, method).await
    }

    /// Sends raw bytes while it already waits for the answer: a server may refuse in the middle, and
    /// what it does not read any more must not stop this client from seeing why.
    pub async fn answer_while_sending(&mut self, bytes: &[u8], method: &str) -> Result<Response> {
        let (mut reading, mut writing) = self.stream.split();
        let sending = async {
            writing.write_all(bytes).await.ok();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            response = read_response(&mut reading, &mut self.unread, method) => response,
            () = sending => bail!("sending never ends"),
        }
    }

    /// Reads until the other side ends the connection; the bytes that came.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.unread);
        // A reset is an end as well; what came before it is what counts.
        self.stream.read_to_end(&mut all).await.ok();
        all
    }

    /// The socket and what was read beyond the answer's head.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }
}

/// Reads one answer. An answer of 101 ends at its head: what follows is no longer HTTP.
async fn read_response(
    from: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    method: &str,
) -> Result<Response> {
    loop {
        let head = read_head(from, unread).await?;
        let (status, headers) = parse_head(&head)?;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let bodiless = method == "HEAD" || matches!(status, 101 | 204 | 304);
        if !bodiless {
            response.body = read_body(from, unread, &response).await?;
        }
        return Ok(response);
    }
}

/// Reads one request, for a server that the suite plays itself; `None` at the end of the connection.
pub async fn read_request(
    from: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
) -> Result<Option<Request>> {
    if unread.is_empty() && from.read_buf(unread).await.context("waiting for a request")? == 0 {
        return Ok(None);
    }
    let head = read_head(from, unread).await?;
    let (first, lines) = head.split_once("\r\n").context("no request line")?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().context("no request line")?);
    let mut request = Request::new(method, target);
    request.headers = parse_lines(lines)?;
    let chunked = request.value("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    request.body = match request.value("content-length") {
        _ if chunked => read_chunks(from, unread).await?,
        Some(length) => {
            let length = length.parse().with_context(|| format!("content-length: {length}"))?;
            take(from, unread, length).await?
        }
        None => Vec::new(),
    };
    Ok(Some(request))
}

async fn read_head(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(end) = find(unread, b"\r\n\r\n") {
            let rest = unread.split_off(end + 4);
            let head = std::mem::replace(unread, rest);
            return String::from_utf8(head).context("the answer's head is not text");
        }
        more(from, unread).await.context("waiting for the answer's head")?;
    }
}

fn parse_head(head: &str) -> Result<(u16, Vec<(String, String)>)> {
    let (first, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.with_context(|| format!("no status line: {first}"))?;
    Ok((status, parse_lines(lines)?))
}

fn parse_lines(lines: &str) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').with_context(|| format!("no header line: {line}"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(headers)
}

async fn read_body(
    from: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    head: &Response,
) -> Result<Vec<u8>> {
    if head.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
        return read_chunks(from, unread).await;
    }
    if let Some(length) = head.header("content-length") {
        let length: usize = length.parse().with_context(|| format!("content-length: {length}"))?;
        return take(from, unread, length).await.context("the answer's body is shorter than it says");
    }
    let mut body = std::mem::take(unread);
    from.take(LARGEST_ANSWER as u64).read_to_end(&mut body).await.context("reading the answer to its end")?;
    Ok(body)
}

async fn read_chunks(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from, unread).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).with_context(|| format!("chunk size: {line}"))?;
        if size == 0 {
            while !read_line(from, unread).await?.is_empty() {}
            return Ok(body);
        }
        if body.len() + size > LARGEST_ANSWER {
            bail!("the answer is larger than {LARGEST_ANSWER} bytes");
        }
        body.extend(take(from, unread, size).await?);
        read_line(from, unread).await?;
    }
}

async fn read_line(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(end) = find(unread, b"\r\n") {
            let rest = unread.split_off(end + 2);
            let mut line = std::mem::replace(unread, rest);
            line.truncate(end);
            return String::from_utf8(line).context("a line of the answer is not text");
        }
        more(from, unread).await?;
    }
}

async fn take(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>, length: usize) -> Result<Vec<u8>> {
    if length > LARGEST_ANSWER {
        bail!("the answer is larger than {LARGEST_ANSWER} bytes");
    }
    while unread.len() < length {
        more(from, unread).await?;
    }
    let rest = unread.split_off(length);
    Ok(std::mem::replace(unread, rest))
}

async fn more(from: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Result<()> {
    if from.read_buf(unread).await.context("reading the answer")? == 0 {
        bail!("the connection ended in the middle of an answer ({} bytes unread)", unread.len());
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Result<Response> {
        read_response(&mut text.as_bytes(), &mut Vec::new(), "GET").await
    }

    #[tokio::test]
    async fn bodies_of_all_three_framings_are_read() {
        let sized = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: 1\r\na: 2\r\n\r\nhi").await.unwrap();
        assert_eq!((sized.status, sized.body.as_slice()), (200, b"hi".as_slice()));
        assert_eq!(sized.header("a").as_deref(), Some("1, 2"));
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n";
        assert_eq!(read(chunked).await.unwrap().body, b"hi");
        assert_eq!(read("HTTP/1.1 404 No\r\n\r\nhi").await.unwrap().body, b"hi");
    }

    #[tokio::test]
    async fn interim_answers_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n";
        assert_eq!(read(text).await.unwrap().status, 204);
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_an_error() {
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi").await.is_err());
        assert!(read("HTTP/1.1 200 OK\r\n").await.is_err());
    }

    #[test]
    fn given_lines_are_sent_as_they_are() {
        let request = Request::post("/x").header("Token", "a").header("token", "b").body("{}");
        let head = String::from_utf8(request.head("h")).unwrap();
        assert_eq!(
            head,
            "POST /x HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nToken: a\r\ntoken: b\r\n\
             content-length: 2\r\n\r\n"
        );
    }
}

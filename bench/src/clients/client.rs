//! One client: connects, reads, and records how its connection ended.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

use super::{
    codec::{self, ACCEPT, Frame, KEY},
    command::Endpoint,
};
use crate::clock::Instant;

/// The longest time to connect.
const TIMEOUT: Duration = Duration::from_secs(60);

/// State that all clients of a process share.
#[derive(Default)]
pub(super) struct Shared {
    /// The number of connected clients.
    pub(super) live: Cell<usize>,
    /// The number of connections that the server has ended.
    pub(super) ended: Cell<usize>,
    /// Notified of every such end.
    pub(super) changed: Notify,
}

/// A client, and its connection while it has one.
pub(super) struct Client {
    endpoint: Endpoint,
    source: SocketAddr,
    shared: Rc<Shared>,
    stream: RefCell<Option<Rc<TcpStream>>>,
    listening: RefCell<Option<JoinHandle<()>>>,
    /// When the server ended the last connection, and with which code.
    pub(super) end: Cell<Option<(Instant, Option<u16>)>>,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint, source: SocketAddr, shared: Rc<Shared>) -> Self {
        let (stream, listening) = (RefCell::default(), RefCell::default());
        Self { endpoint, source, shared, stream, listening, end: Cell::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stream.borrow().is_some()
    }

    /// Connects and starts to read.
    pub(super) async fn open(self: Rc<Self>) -> Result<(), String> {
        self.end.set(None);
        let (stream, unread) = timeout(TIMEOUT, self.upgrade())
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let stream = Rc::new(stream);
        *self.stream.borrow_mut() = Some(stream.clone());
        self.shared.live.set(self.shared.live.get() + 1);
        let listening = tokio::task::spawn_local(self.clone().listen(stream, unread));
        *self.listening.borrow_mut() = Some(listening);
        Ok(())
    }

    /// Connects, upgrades and awaits the greeting, if the server greets. Returns the bytes that were read beyond it too.
    async fn upgrade(&self) -> io::Result<(TcpStream, Vec<u8>)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.source)?;
        let stream = socket.connect(self.endpoint.address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n",
            self.endpoint.target, self.endpoint.address
        );
        send(&stream, request.as_bytes()).await?;
        let mut unread = Vec::new();
        let end = loop {
            if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            receive(&stream, &mut unread).await?;
        };
        let rest = unread.split_off(end);
        let head = String::from_utf8_lossy(&unread).to_ascii_lowercase();
        if !head.starts_with("http/1.1 101") || !head.contains(&ACCEPT.to_ascii_lowercase()) {
            let first = head.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("refused: {first}")));
        }
        let mut unread = rest;
        if self.endpoint.greets {
            greeting(&stream, &mut unread).await?;
        }
        Ok((stream, unread))
    }

    /// Reads frames until the end.
    async fn listen(self: Rc<Self>, stream: Rc<TcpStream>, mut unread: Vec<u8>) {
        let code = loop {
            match self.handle_frames(&stream, &mut unread) {
                Ok(None) => {}
                Ok(Some(code)) => {
                    // If this does not arrive, the connection ends all the same.
                    stream.try_write(&codec::close(code.unwrap_or(1000))).ok();
                    break code;
                }
                Err(_) => break None,
            }
            // An idle client keeps no buffer.
            if unread.is_empty() {
                unread = Vec::new();
            }
            if stream.readable().await.is_err() {
                break None;
            }
            match read(&stream, &mut unread) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(read) if read > 0 => {}
                _ => break None,
            }
        };
        self.end.set(Some((Instant::now(), code)));
        self.stream.borrow_mut().take();
        self.shared.live.set(self.shared.live.get() - 1);
        self.shared.ended.set(self.shared.ended.get() + 1);
        self.shared.changed.notify_waiters();
    }

    /// Handles the complete frames. Returns the code of a Close frame, if one has arrived.
    fn handle_frames(
        &self,
        stream: &TcpStream,
        unread: &mut Vec<u8>,
    ) -> Result<Option<Option<u16>>, &'static str> {
        while let Some((frame, length)) = codec::frame(unread)? {
            unread.drain(..length);
            match frame {
                Frame::Close(code) => return Ok(Some(code)),
                Frame::Ping => drop(stream.try_write(codec::PONG)),
                Frame::Message | Frame::Pong => {}
            }
        }
        Ok(None)
    }

    /// Sends a small frame. A frame that does not fit into the socket's buffer is dropped: the server does not read.
    pub(super) fn send(&self, frame: &[u8]) {
        if let Some(stream) = self.stream.borrow().as_ref() {
            stream.try_write(frame).ok();
        }
    }

    /// Resets the connection, as a crashed process does. The descriptor is closed once the returned task has ended.
    pub(super) fn reset(&self) -> Option<JoinHandle<()>> {
        let listening = self.listening.borrow_mut().take().inspect(JoinHandle::abort);
        if let Some(stream) = self.stream.borrow_mut().take() {
            stream.set_zero_linger().ok();
            self.shared.live.set(self.shared.live.get() - 1);
        }
        listening
    }
}

/// Reads the first message, which must report success.
async fn greeting(stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<()> {
    loop {
        match codec::frame(unread).map_err(io::Error::other)? {
            Some((Frame::Message, length)) => {
                let greeting: Vec<u8> = unread.drain(..length).collect();
                if String::from_utf8_lossy(&greeting).contains(r#""errCode":0"#) {
                    return Ok(());
                }
                return Err(io::Error::other("refused in band"));
            }
            Some((frame, _)) => return Err(io::Error::other(format!("{frame:?} before the greeting"))),
            None => receive(stream, unread).await?,
        }
    }
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn receive(stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match read(stream, into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Not async, so that the buffer is on the stack and not in every client's task.
fn read(stream: &TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; 2048];
    let read = stream.try_read(&mut bytes)?;
    into.extend_from_slice(bytes.get(..read).unwrap_or_default());
    Ok(read)
}

//! A proxy that passes everything on, and once something else.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

use super::changes::Change;

/// The time for which bytes are held back that may begin the text to be changed.
const HELD: Duration = Duration::from_millis(100);

/// A proxy in front of a server.
pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    armed: Option<&'static Change>,
    applied: usize,
}

impl Proxy {
    /// Listens on the loopback interface.
    pub(super) async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let changed = Arc::<Notify>::default();
        let (shared, tell) = (Arc::clone(&state), Arc::clone(&changed));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, server, Arc::clone(&shared), Arc::clone(&tell)));
            }
        });
        Ok(Self { address, state, changed, accepting })
    }

    /// Its address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next time that the server says this, the client hears that.
    pub(super) fn arm(&self, change: &'static Change) {
        lock(&self.state).armed = Some(change);
    }

    /// From here on nothing is changed.
    pub(super) fn disarm(&self) {
        lock(&self.state).armed = None;
    }

    /// Waits until something is changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The number of changes so far.
    pub(super) fn applied(&self) -> usize {
        lock(&self.state).applied
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both directions, until each has ended. An error on either side is the end of it.
async fn connection(client: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>, changed: Arc<Notify>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let asking = async {
        copy(&mut from_client, &mut to_server).await.ok();
        to_server.shutdown().await.ok();
    };
    tokio::join!(asking, answering(from_server, to_client, &state, &changed));
}

async fn answering(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &Mutex<State>, changed: &Notify) {
    let mut held = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = if held.is_empty() {
            from.read(&mut buffer).await
        } else {
            match timeout(HELD, from.read(&mut buffer)).await {
                Ok(read) => read,
                Err(_) => {
                    if to.write_all(&std::mem::take(&mut held)).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
        };
        let Ok(count @ 1..) = read else { break };
        held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let before = lock(state).applied;
        let ready = lock(state).pass(&mut held);
        if lock(state).applied > before {
            changed.notify_one();
        }
        if to.write_all(&ready).await.is_err() {
            return;
        }
    }
    to.write_all(&held).await.ok();
    to.shutdown().await.ok();
}

impl State {
    /// The bytes that go on to the client; the rest, which may begin the text to be changed, stays.
    fn pass(&mut self, held: &mut Vec<u8>) -> Vec<u8> {
        let Some(change) = self.armed else { return std::mem::take(held) };
        if let Some(at) = held.windows(change.find.len()).position(|window| window == change.find) {
            self.armed = None;
            self.applied += 1;
            let after = held.split_off(at + change.find.len());
            held.truncate(at);
            return [std::mem::take(held).as_slice(), change.put, &after].concat();
        }
        let longest = held.len().min(change.find.len() - 1);
        let kept =
            (1..=longest).rev().find(|&length| held.ends_with(change.find.get(..length).unwrap_or_default()));
        let rest = held.split_off(held.len() - kept.unwrap_or(0));
        std::mem::replace(held, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CHANGE: Change =
        Change { what: "", case: "", find: b"abc", put: b"x", unnoticed: false, hangs: false };

    fn passed(pieces: &[&str]) -> (String, usize) {
        let mut state = State { armed: Some(&CHANGE), applied: 0 };
        let (mut out, mut held) = (Vec::new(), Vec::new());
        for piece in pieces {
            held.extend_from_slice(piece.as_bytes());
            out.extend(state.pass(&mut held));
        }
        out.extend(held);
        (String::from_utf8(out).unwrap(), state.applied)
    }

    #[test]
    fn the_first_one_is_changed_wherever_the_pieces_are_cut() {
        assert_eq!(passed(&["1abc2abc3"]), ("1x2abc3".to_owned(), 1));
        assert_eq!(passed(&["1a", "b", "c2"]), ("1x2".to_owned(), 1));
        assert_eq!(passed(&["ababa", "bc"]), ("ababx".to_owned(), 1));
        assert_eq!(passed(&["ab", "ab"]), ("abab".to_owned(), 0));
    }

    #[test]
    fn without_a_change_everything_passes_at_once() {
        let mut held = b"ab".to_vec();
        assert_eq!(State::default().pass(&mut held), b"ab");
    }
}

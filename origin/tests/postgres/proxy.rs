//! A way to an engine on which answers get lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use rollcall_core::{config, secret::Secret};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What a client gets when a commit is done.
const COMMIT: &[u8] = b"COMMIT\0";
/// What the sessions begin with that change nothing.
const READS: &[u8] = b"READ ONLY";
/// What the session for signs of life says. Its commits are no command's.
const LISTENS: &[u8] = b"LISTEN ";

/// What a notice in a transaction says whose commit [`Proxy::lose_marked`] is about.
pub(crate) const MARK: &str = "this commit gets lost";

pub(crate) struct Proxy {
    port: u16,
    losing: Arc<Losing>,
}

/// Commits that are yet to be lost.
#[derive(Default)]
struct Losing {
    any: AtomicU32,
    marked: AtomicU32,
    /// Whose answers to commits wait.
    held: watch::Sender<Held>,
}

/// Commits whose answers wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Held {
    #[default]
    None,
    /// Signs of life.
    SignsOfLife,
    All,
}

impl Proxy {
    /// A way to the engine on this port.
    pub(crate) async fn to(engine: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let losing = Arc::<Losing>::default();
        tokio::spawn({
            let losing = losing.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(("127.0.0.1", engine)).await.unwrap();
                    tokio::spawn(relay(client, server, losing.clone()));
                }
            }
        });
        Self { port, losing }
    }

    /// The settings of a store behind it.
    pub(crate) fn before(&self, settings: &config::Store, engine: u16) -> config::Store {
        let url = settings.url.as_ref().unwrap().expose();
        let url = url.replace(&format!(":{engine}/"), &format!(":{}/", self.port));
        config::Store { url: Some(Secret::new(url)), ..settings.clone() }
    }

    /// From here on the answers to these commits wait, until they are let go.
    pub(crate) fn hold(&self, held: Held) {
        self.losing.held.send_replace(held);
    }

    /// The next so many commits happen, and their sessions end without an answer.
    pub(crate) fn lose(&self, commits: u32) {
        self.losing.any.store(commits, SeqCst);
    }

    /// The same of those in whose transactions a notice says [`MARK`].
    pub(crate) fn lose_marked(&self, commits: u32) {
        self.losing.marked.store(commits, SeqCst);
    }

    /// Commits that are yet to be lost.
    pub(crate) fn left(&self) -> u32 {
        self.losing.any.load(SeqCst) + self.losing.marked.load(SeqCst)
    }
}

async fn relay(client: TcpStream, server: TcpStream, losing: Arc<Losing>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (reads, listens) = (AtomicBool::new(false), AtomicBool::new(false));
    let there = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            reads.fetch_or(has(&bytes[..length], READS), SeqCst);
            listens.fetch_or(has(&bytes[..length], LISTENS), SeqCst);
            if to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let (mut bytes, mut is_marked) = (vec![0; 65_536], false);
        let (less, mut held) = (|left: u32| left.checked_sub(1), losing.held.subscribe());
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            is_marked |= has(&bytes[..length], MARK.as_bytes());
            let is_commit = !reads.load(SeqCst) && has(&bytes[..length], COMMIT);
            let is_let_go = |held: &Held| match held {
                Held::None => true,
                Held::SignsOfLife => !listens.load(SeqCst),
                Held::All => false,
            };
            if is_commit && held.wait_for(is_let_go).await.is_err() {
                return;
            }
            if is_commit && !listens.load(SeqCst) {
                let marked =
                    losing.marked.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(is_marked.into()));
                if (is_marked && marked.is_ok()) || losing.any.fetch_update(SeqCst, SeqCst, less).is_ok() {
                    return;
                }
                is_marked = false;
            }
            if to_client.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|some| some == part)
}

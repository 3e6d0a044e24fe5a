//! A load balancer: each TCP connection goes to a server at random.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncWriteExt as _, copy, sink},
    net::{TcpListener, TcpStream},
    pin,
    task::JoinHandle,
    time::timeout,
};

/// It balances until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    /// Its address.
    pub address: SocketAddr,
    balancing: JoinHandle<()>,
}

impl Balancer {
    /// Balances over these servers.
    pub async fn over(servers: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let balancing = tokio::spawn(async move {
            let random = RandomState::new();
            let count = AtomicU64::new(0);
            while let Ok((client, _)) = listener.accept().await {
                let drawn = random.hash_one(count.fetch_add(1, Relaxed)) % (servers.len() as u64);
                let Some(server) = usize::try_from(drawn).ok().and_then(|at| servers.get(at)).copied() else {
                    continue;
                };
                tokio::spawn(relay(client, server));
            }
        });
        Ok(Self { address, balancing })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.balancing.abort();
    }
}

/// How long one side may go on when the other has ended.
const LINGER: Duration = Duration::from_secs(5);

/// What the server says comes to the client also where the server no longer reads: it may refuse a body that it has not read.
async fn relay(client: TcpStream, server: SocketAddr) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // What is small is not held back.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async move {
        let is_heard = copy(&mut from_client, &mut to_server).await.is_ok();
        if !is_heard {
            timeout(LINGER, copy(&mut from_client, &mut sink())).await.ok();
        }
        to_server.shutdown().await.ok();
        is_heard
    };
    let down = async move {
        copy(&mut from_server, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    };
    pin!(up, down);
    tokio::select! {
        () = &mut down => drop(timeout(LINGER, up).await),
        is_heard = &mut up => if is_heard { down.await },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_go_to_every_server_and_both_ways() {
        let mut servers = Vec::new();
        for name in 0..3_u8 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            servers.push(listener.local_addr().unwrap());
            tokio::spawn(async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let asked = client.read_u8().await.unwrap();
                    client.write_all(&[asked, name]).await.unwrap();
                }
            });
        }
        let balancer = Balancer::over(servers).await.unwrap();
        let mut seen = BTreeMap::new();
        for asked in 0..100 {
            let mut client = TcpStream::connect(balancer.address).await.unwrap();
            client.write_all(&[asked]).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert_eq!((answer[0], answer.len()), (asked, 2));
            *seen.entry(answer[1]).or_insert(0) += 1;
        }
        assert!(seen.len() == 3 && seen.values().all(|count| *count > 10), "{seen:?}");
    }
}

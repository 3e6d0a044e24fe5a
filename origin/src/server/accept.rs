//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    admission::{Admission, AdmissionError, ConnectionPermit},
    connection::Entrance,
};
use crate::metrics::ConnectionLimit;

/// Without a descriptor nothing can be accepted until one is closed. One of ours is heard of; for one of the store's, or
/// of another process, it is tried again after this.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);
/// After an error that nobody knows.
const PAUSE: Duration = Duration::from_millis(50);
/// What a client is told, if it comes without TLS, before its request was read.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Accepts until `stopping` says so; returns when no more will be accepted. Connections finish what they are doing, as
/// tasks of `connections`.
pub(super) async fn accept(
    listener: TcpListener,
    entrance: Arc<Entrance>,
    admission: Admission,
    connections: TaskTracker,
    mut stopping: watch::Receiver<bool>,
) {
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                if short {
                    tracing::info!("connections are accepted again");
                    short = false;
                }
                match admission.enter(peer.ip()) {
                    Ok(permit) => admit(&entrance, &connections, (stream, peer, permit), &stopping),
                    Err(error) => reject(&entrance, &stream, error),
                }
            }
            Err(error) if is_of_the_client(&error) => {
                tracing::debug!(%error, "a client was gone before it was accepted");
            }
            Err(error) => {
                let pause = if is_shortage(&error) { OUT_OF_DESCRIPTORS } else { PAUSE };
                if !short {
                    let open = admission.open();
                    tracing::error!(%error, open, "connections cannot be accepted");
                    short = true;
                }
                // The listener stays: who waits in its backlog is served once there is room.
                tokio::select! {
                    () = admission.returned() => {}
                    () = sleep(pause) => {}
                    () = stopped(&mut stopping) => return,
                }
            }
        }
    }
}

fn admit(
    entrance: &Arc<Entrance>,
    connections: &TaskTracker,
    (stream, peer, permit): (TcpStream, SocketAddr, ConnectionPermit),
    stopping: &watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    entrance.metrics.accepted();
    let (entrance, stopping) = (entrance.clone(), stopping.clone());
    connections.spawn(async move { entrance.serve(stream, peer, permit, stopping).await });
}

/// Runs without a task, since a rejected connection must cost next to nothing.
fn reject(entrance: &Entrance, stream: &TcpStream, error: AdmissionError) {
    entrance.metrics.rejected(match error {
        AdmissionError::Full => ConnectionLimit::Total,
        AdmissionError::AddressFull => ConnectionLimit::PerAddress,
    });
    tracing::debug!(%error, "a connection was rejected");
    if !entrance.is_encrypted() {
        // It is gone, or its buffer has room: nothing was sent before.
        let _ = stream.try_write(FULL);
    }
}

/// The connection that was to be accepted has the fault; the next one may be good.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|errno| errno.raw_os_error() == code))
}

/// Resolves when the process stops, and when nobody is left who could say so.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

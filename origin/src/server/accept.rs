//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rollcall_api::metrics::ConnectionLimit;
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    admission::{Admission, AdmissionError, ConnectionPermit},
    connection::ConnectionServer,
    stopping::stopped,
};

/// The pause after a shortage of descriptors. A connection that closes ends the pause early; a descriptor that the store or
/// another process closes is found after it.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);
/// The pause after any other error.
const PAUSE: Duration = Duration::from_millis(50);
/// The answer to a rejected client without TLS, sent before its request is read.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Accepts connections until `stopping` is set. Connections that are open then finish as tasks of `connections`.
pub(super) async fn accept(
    listener: TcpListener,
    server: Arc<ConnectionServer>,
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
                    Ok(permit) => admit(&server, &connections, (stream, peer, permit), &stopping),
                    Err(error) => reject(&server, &stream, error),
                }
            }
            Err(error) if is_client_error(&error) => {
                tracing::debug!(%error, "a client was gone before it was accepted");
            }
            Err(error) => {
                let pause = if is_shortage(&error) { OUT_OF_DESCRIPTORS } else { PAUSE };
                if !short {
                    let open = admission.open();
                    tracing::error!(%error, open, "connections cannot be accepted");
                    short = true;
                }
                // The listener stays open: clients in its backlog are served once there is room.
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
    server: &Arc<ConnectionServer>,
    connections: &TaskTracker,
    (stream, peer, permit): (TcpStream, SocketAddr, ConnectionPermit),
    stopping: &watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    server.metrics.accepted();
    let (server, stopping) = (server.clone(), stopping.clone());
    connections.spawn(async move { server.serve(stream, peer, permit, stopping).await });
}

/// Runs without a task, since a rejected connection must cost next to nothing.
fn reject(server: &ConnectionServer, stream: &TcpStream, error: AdmissionError) {
    server.metrics.rejected(match error {
        AdmissionError::Full => ConnectionLimit::Total,
        AdmissionError::AddressFull => ConnectionLimit::PerAddress,
    });
    tracing::debug!(%error, "a connection was rejected");
    if !server.is_encrypted() {
        // Either the client is gone, or the buffer has room, since nothing was sent before.
        let _ = stream.try_write(FULL);
    }
}

/// Whether the connection to be accepted failed, and not the listener.
fn is_client_error(error: &io::Error) -> bool {
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

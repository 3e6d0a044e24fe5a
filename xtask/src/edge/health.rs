//! Whether a worker that runs also serves.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ureq::Agent;

/// How long the answer may take: it is the first one, for which much is compiled. Only a broken worker needs it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `GET /health` said.
#[derive(Debug)]
pub(crate) enum Health {
    /// The worker serves.
    Serving,
    /// The worker runs and refuses, for instance because its configuration is wrong.
    Refusing { status: u16, body: String },
}

/// Asks once, where something listens.
pub(crate) fn ask(address: SocketAddr) -> Result<Health> {
    let agent: Agent =
        Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    let asked = agent.get(format!("http://{address}/health")).call();
    let mut response = asked.with_context(|| format!("{address} does not answer"))?;
    if response.status().as_u16() == 200 {
        return Ok(Health::Serving);
    }
    let body = response.body_mut().read_to_string().unwrap_or_default();
    Ok(Health::Refusing { status: response.status().as_u16(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn answering(reply: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_200_means_serving() {
        let ok = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        assert!(matches!(ask(ok).unwrap(), Health::Serving));
        let refused = answering(
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\nconnection: close\r\n\r\nno secret",
        );
        let health = ask(refused).unwrap();
        assert!(
            matches!(&health, Health::Refusing { status: 500, body } if body == "no secret"),
            "{health:?}"
        );
    }

    #[test]
    fn a_closed_port_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        ask(address).unwrap_err();
    }
}

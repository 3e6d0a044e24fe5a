//! The query of an upgrade; what follows a NUL is the header `compression`.

use rollcall_core::gateway::Handshake;

pub fn check(input: &str) {
    let (query, header) = match input.split_once('\0') {
        Some((query, header)) => (query, Some(header)),
        None => (input, None),
    };
    if let Ok(handshake) = Handshake::parse(query, header) {
        assert!(!handshake.send_id.is_empty() && !handshake.operation_id.is_empty());
    }
}

//! What a server takes of memory, as the kernel counts it.

use crate::kit::Server;

/// A figure of `/proc/PID/status`, in bytes.
pub fn memory(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().unwrap() * 1024
}

/// From here on the peak is counted anew. Returns what the server takes now.
pub fn forget_peak(server: &Server) -> u64 {
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    memory(server, "VmRSS")
}

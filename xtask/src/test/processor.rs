//! The processor time of a step: on a busy machine it says more than the time on the wall.

use std::fs;
use std::time::Duration;

/// Where the times of this process and its ended children lie behind the name in `/proc/self/stat`: in user mode, in the kernel, and
/// both again for the children.
const TIMES: std::ops::Range<usize> = 11..15;

/// What this process and everything that it started and waited for have used. Nothing where the system does not tell.
pub(super) fn used() -> Option<Duration> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may contain blanks; it ends at the last parenthesis.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks: Option<u64> = fields.get(TIMES)?.iter().map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks? * 1000 / rustix::param::clock_ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_of_ended_children_counts() {
        let before = used().unwrap();
        let mut rounds = 0;
        // A clock of 100 ticks a second sees nothing of one short child.
        while used().unwrap() == before {
            Command::new("sh").args(["-c", "for i in $(seq 2000); do :; done"]).status().unwrap();
            rounds += 1;
            assert!(rounds < 1_000, "no time passed");
        }
    }
}

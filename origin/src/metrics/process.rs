//! What the process takes of its machine, as the kernel counts it. Nothing where there is no `/proc`.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Of the process, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Resident memory, in bytes.
    pub(super) memory_bytes: Option<u64>,
    /// Open files and sockets.
    pub(super) descriptors: Option<u64>,
    /// The most that may be open.
    pub(super) most_descriptors: Option<u64>,
}

impl Process {
    /// Asks the kernel.
    pub(crate) fn look() -> Self {
        Self {
            memory_bytes: memory_bytes(),
            descriptors: descriptors(),
            most_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

fn memory_bytes() -> Option<u64> {
    let sizes = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

fn descriptors() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    // Since Linux 6.2 the size of the folder says how many there are, which spares a look at each.
    match fs::metadata(FOLDER).ok()?.len() {
        0 => u64::try_from(fs::read_dir(FOLDER).ok()?.count()).ok(),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_opened_is_seen() {
        let before = Process::look();
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let memory = vec![1_u8; 64 * 1024 * 1024];
        let after = Process::look();
        // Other tests of this process come and go meanwhile.
        let more = |of: fn(&Process) -> Option<u64>| of(&after).unwrap().saturating_sub(of(&before).unwrap());
        assert!(more(|one| one.descriptors) >= 50, "{before:?} {after:?}");
        assert!(more(|one| one.memory_bytes) >= 32 * 1024 * 1024, "{before:?} {after:?}");
        assert!(after.most_descriptors >= after.descriptors, "{after:?}");
        drop((files, memory));
    }
}

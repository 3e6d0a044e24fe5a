//! The processes that this one started, and those that they started in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;

use rustix::process::{Pid, getpid};

/// A process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) id: Pid,
    /// The name of its program, of at most 15 bytes.
    name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id)
    }
}

/// From here on, a descendant whose parent ends becomes a child of this process. Does nothing where the kernel is not Linux.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid()))?;
    Ok(())
}

/// All descendants that have not ended, ancestors first; none where the kernel lists no processes in `/proc`.
pub(crate) fn all() -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // A process may end between the two reads, and not every entry is one.
        let stat = fs::read(entry.path().join("stat")).unwrap_or_default();
        if let Some((process, parent)) = read_stat(&String::from_utf8_lossy(&stat)) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = children.remove(&getpid().as_raw_nonzero().get()).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        found.extend(children.remove(&process.id.as_raw_nonzero().get()).unwrap_or_default());
        next += 1;
    }
    found
}

/// The process of a line of `/proc/PID/stat`, and its parent: `PID (NAME) STATE PARENT …`. `None` for one that has ended.
fn read_stat(line: &str) -> Option<(Process, i32)> {
    // A name may have parentheses in it.
    let (start, rest) = line.rsplit_once(')')?;
    let (id, name) = start.split_once(" (")?;
    let mut rest = rest.split_ascii_whitespace();
    if matches!(rest.next()?, "Z" | "X") {
        return None;
    }
    let process = Process { id: Pid::from_raw(id.parse().ok()?)?, name: name.to_owned() };
    Some((process, rest.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_names_process_and_parent() {
        let (process, parent) = read_stat("4711 (a (b) c) S 12 4711 4711 0").unwrap();
        assert_eq!((process.to_string().as_str(), parent), ("a (b) c (4711)", 12));
        assert_eq!(read_stat("4711 (sh) Z 12 4711"), None, "it has ended and is not reaped");
        assert_eq!(read_stat(""), None);
    }
}

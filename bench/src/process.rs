//! The kernel's figures of a process: memory, processor time, descriptors.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;

use crate::stats::count;

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

/// Bytes of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// The process's share of all resident pages.
    pub(crate) pss: f64,
    /// Of that, pages that no file backs: heaps and stacks.
    pub(crate) anonymous: f64,
}

impl Process {
    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("the server is gone: cannot read {path}"))
    }

    /// Memory, from `smaps_rollup`.
    pub(crate) fn memory(self) -> Result<Memory> {
        let text = self.read("smaps_rollup")?;
        Ok(Memory { pss: kibibytes(&text, "Pss:")?, anonymous: kibibytes(&text, "Pss_Anon:")? })
    }

    /// Resident bytes.
    pub(crate) fn resident(self) -> Result<f64> {
        kibibytes(&self.read("status")?, "VmRSS:")
    }

    /// Processor time so far, in user and kernel mode.
    pub(crate) fn processor(self) -> Result<Duration> {
        let text = self.read("stat")?;
        // The name may contain blanks; it ends at the last parenthesis.
        let (_, rest) = text.rsplit_once(')').context("/proc/PID/stat has another form")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |index: usize| -> Result<u64> {
            Ok(fields.get(index).context("/proc/PID/stat is too short")?.parse()?)
        };
        let ticks = field(11)? + field(12)?;
        Ok(Duration::from_millis(ticks * 1000 / clock_ticks_per_second()))
    }

    /// The number of descriptors that are sockets.
    pub(crate) fn sockets(self) -> Result<usize> {
        let folder = format!("/proc/{}/fd", self.0);
        let entries = fs::read_dir(&folder).with_context(|| format!("the server is gone: {folder}"))?;
        let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
    }

    /// Waits until at most `sockets` of its descriptors are sockets and it uses under a fifth of a processor.
    ///
    /// It polls, since the state of another process cannot be awaited.
    pub(crate) async fn quiet(self, sockets: usize) -> Result<()> {
        const LOOK: Duration = Duration::from_millis(250);
        for _ in 0..480 {
            let before = self.processor()?;
            tokio::time::sleep(LOOK).await;
            if self.processor()?.saturating_sub(before) < LOOK / 5 && self.sockets()? <= sockets {
                return Ok(());
            }
        }
        anyhow::bail!("the server did not come to rest in 2 minutes: {} sockets are open", self.sockets()?)
    }
}

fn kibibytes(text: &str, key: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    let kibibytes: usize = number.with_context(|| format!("the kernel reports no {key}"))?.parse()?;
    Ok(count(kibibytes) * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_reports_this_process() {
        let own = Process(std::process::id());
        let memory = own.memory().unwrap();
        assert!(memory.pss >= memory.anonymous && memory.anonymous > 0.0);
        assert!(own.resident().unwrap() > 0.0);
        let before = own.sockets().unwrap();
        let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(own.sockets().unwrap() > before);
        drop(held);
        let begin = own.processor().unwrap();
        while own.processor().unwrap() == begin {
            std::hint::black_box(0);
        }
    }
}

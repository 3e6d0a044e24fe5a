//! The machine of a run: processors, disk and load.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    thread::available_parallelism,
};

use anyhow::Result;

use crate::{clock::Instant, stats::percentile};

/// Describes the processors, and the disk's time for a small durable write.
pub(crate) fn describe(folder: &Path) -> Result<String> {
    let cores = available_parallelism()?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, model)| model.trim()))
        .unwrap_or("an unknown processor");
    let commits = commits(folder)?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_ascii_whitespace().next().unwrap_or("?");
    Ok(format!(
        "{cores} cores ({model}), shared by server and clients; load average {load} at the start; writing 4 KiB \
         durably takes the disk {:.2} ms (median), {:.2} ms (p99)",
        1e3 * percentile(&commits, 50.0),
        1e3 * percentile(&commits, 99.0)
    ))
}

fn commits(folder: &Path) -> Result<Vec<f64>> {
    let path = folder.join("commits");
    // The file keeps its size, as a log that is reused does.
    fs::write(&path, [0; 64 * 4096])?;
    let mut file = fs::OpenOptions::new().write(true).open(&path)?;
    file.sync_all()?;
    let mut took = Vec::new();
    for commit in 0..256 {
        if commit % 64 == 0 {
            file.seek(SeekFrom::Start(0))?;
        }
        let begin = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(Instant::now().since(begin).as_secs_f64());
    }
    fs::remove_file(path)?;
    Ok(took)
}

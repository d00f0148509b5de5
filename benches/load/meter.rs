//! What a process has used, as the kernel counts it: processor time, memory, files.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Processor time since the process began, its own and the kernel's for it, in the kernel's ticks of
/// 10 ms.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may contain anything, so what follows its closing bracket is counted.
    let (_, fields) = stat.rsplit_once(") ").context("a process's stat")?;
    let ticks = |field: usize| -> Result<u64> {
        let text = fields.split(' ').nth(field).context("a field of stat")?;
        Ok(text.parse()?)
    };
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// Resident memory that is the process's own, in bytes: code that it maps is left out.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.context("RssAnon")?.trim().parse::<u64>()? * 1024)
}

/// Open files.
pub(crate) fn files(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

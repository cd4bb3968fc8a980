//! The memory of this process, where the system reports it (Linux).

use std::fs;

/// Bytes in memory now.
pub(crate) fn resident_bytes() -> Option<u64> {
    field(&status()?, "VmRSS:")
}

/// Most bytes in memory at any time since the start.
pub(crate) fn peak_bytes() -> Option<u64> {
    field(&status()?, "VmHWM:")
}

fn status() -> Option<String> {
    fs::read_to_string("/proc/self/status").ok()
}

/// A line such as `VmRSS: 1234 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = rest.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}

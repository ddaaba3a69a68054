//! What the kernel has counted of a process (proc(5)).

use crate::{Context, Failure};

/// The most memory that it has held at once, in bytes (`VmHWM`).
///
/// # Errors
/// It has ended, or the kernel does not say.
pub fn most_memory(id: u32) -> Result<u64, Failure> {
    Ok(figure(id, "status", "VmHWM:")? * 1024)
}

/// How many bytes it has written to files, whether or not they are on a disk by now (`wchar`). What goes out as datagrams is
/// not among them.
///
/// # Errors
/// As [`most_memory`].
pub fn written(id: u32) -> Result<u64, Failure> {
    figure(id, "io", "wchar:")
}

/// The figure behind this name in one of the kernel's tables about a process.
fn figure(id: u32, table: &str, name: &str) -> Result<u64, Failure> {
    let path = format!("/proc/{id}/{table}");
    let text = std::fs::read_to_string(&path).context(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context(format!("no {name} in {path}"))?;
    let figure = line.split_whitespace().next().context(format!("nothing behind {name} in {path}"))?;
    figure.parse().context(format!("reading {name} in {path}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn memory_that_is_held_and_bytes_that_are_written_are_counted() {
        const MUCH: usize = 64 << 20;
        let (id, mut file) = (std::process::id(), tempfile::tempfile().unwrap());
        let before = written(id).unwrap();
        let held = vec![7; MUCH];
        assert!(most_memory(id).unwrap() >= MUCH as u64);
        file.write_all(&held).unwrap();
        assert!(written(id).unwrap() - before >= MUCH as u64);
    }
}

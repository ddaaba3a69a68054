//! What keeps the memory of a process in its memory, for programs that hold a directory.

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// No core dump at a crash. A limit of 0 would still hand one to a program (core(5): a pattern that begins with a pipe is not
/// limited); at 1 byte Linux makes none for such a program either, and none in a file.
pub fn no_core_dumps() -> Result<(), std::io::Error> {
    // Where it is 0 already (systemd's LimitCORE=0), only root may raise it, and a unit may forbid even to ask.
    match getrlimit(Resource::RLIMIT_CORE)? {
        (_, 0) => Ok(()),
        _ => setrlimit(Resource::RLIMIT_CORE, 1, 1).map_err(Into::into),
    }
}

/// On Linux no other process of the same person looks into this one, and nothing at all is dumped of it (prctl(2)).
pub fn no_onlookers() -> Result<(), std::io::Error> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}

/// Nothing of it is ever swapped out, neither what is there now nor what comes.
///
/// Only where nothing limits locked memory: under a limit, the first allocation beyond it would end the process.
pub fn lock_memory() -> Result<(), std::io::Error> {
    let raised = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    if !may_lock_anything() {
        raised?;
    }
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).map_err(Into::into)
}

/// Whether this process has CAP_IPC_LOCK, to which the limit does not apply (mlock(2), capabilities(7)).
fn may_lock_anything() -> bool {
    const CAP_IPC_LOCK: u64 = 1 << 14;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    effective.is_some_and(|mask| mask & CAP_IPC_LOCK != 0)
}

//! What keeps the memory of this process in its memory.

use super::failure::Failure;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

/// No core file at a crash, and on Linux no other process of the same person that looks into this one (prctl(2)).
pub(super) fn no_core_dumps() -> Result<(), Failure> {
    let limited = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let limited = limited.and_then(|()| nix::sys::prctl::set_dumpable(false));
    limited.map_err(|error| Failure::Protection(error.into()))
}

/// Nothing of it is ever swapped out, neither what is there now nor what comes.
///
/// Only where nothing limits locked memory: under a limit, the first allocation beyond it would end the process.
pub(super) fn lock_memory() -> Result<(), std::io::Error> {
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

//! A disk that is full, for real, or read-only, and has room again as soon as somebody was refused.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apart::World;
use crate::homeserver::Homeserver;
use crate::{Context, Failure, apart, guard, process};

const PATIENCE: Duration = Duration::from_secs(180);

/// Mounts of its own: disks that nobody else sees.
const MOUNTS: World = World {
    namespaces: &["--mount"],
    probe: "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt",
    script: "mount --make-rprivate / && exec \"$@\"",
};

/// Whether this process may have disks of its own; else as [`apart::is_inside`].
///
/// # Errors
/// As there.
pub fn is_apart(test: &str) -> Result<bool, Failure> {
    apart::is_inside(test, &MOUNTS)
}

/// A small disk, with a server on it or what somebody takes. It ends with the world that it was mounted in.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounted at this folder, which is made.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn mounted(folder: &Path) -> Result<Self, Failure> {
        Self::of_megabytes(16, folder)
    }

    /// The same, with so many megabytes.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn of_megabytes(size: u32, folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir(folder).context("making the folder of a disk")?;
        let mut command = guard::guarded(Path::new("mount"))?;
        command.args(["-t", "tmpfs", "-o", &format!("size={size}m,mode=700"), "tmpfs"]).arg(folder);
        process::run("mount", command, PATIENCE)?.expect(0, "mount")?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Not a byte is left, nor an inode's worth.
    ///
    /// # Errors
    /// It was full before.
    pub fn fill(&self) -> Result<(), Failure> {
        let mut ballast = File::create(self.ballast()).context("filling a disk")?;
        let mut block = vec![7; 1 << 16];
        while !block.is_empty() {
            if ballast.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
        Ok(())
    }

    /// There is room again.
    ///
    /// # Errors
    /// It was not full.
    pub fn free(&self) -> Result<(), Failure> {
        std::fs::remove_file(self.ballast()).context("making room on a disk")
    }

    /// Nothing can be written to it any more, or again.
    ///
    /// # Errors
    /// It cannot be mounted so: something on it is open for writing.
    pub fn read_only(&self, read_only: bool) -> Result<(), Failure> {
        let mut command = guard::guarded(Path::new("mount"))?;
        command.args(["-o", if read_only { "remount,ro" } else { "remount,rw" }]).arg(&self.folder);
        process::run("mount", command, PATIENCE)?.expect(0, "mount").map(|_| ())
    }

    /// Does something while the disk is full; there is room again as soon as the server that lies on it has refused somebody.
    ///
    /// # Errors
    /// Nobody is refused.
    pub fn while_full<T>(&self, server: &Homeserver, act: impl FnOnce() -> T) -> Result<T, Failure> {
        let before = refusals(server);
        self.fill()?;
        std::thread::scope(|scope| {
            let freeing = scope.spawn(|| {
                let seen = process::await_sight("a refusal", PATIENCE, || (refusals(server) > before).then_some(()));
                self.free()?;
                seen.context(server.words())
            });
            let done = act();
            freeing.join().map_err(|_panic| Failure::new("nobody made room"))??;
            Ok(done)
        })
    }
}

/// How often somebody was told to come back.
fn refusals(server: &Homeserver) -> usize {
    server.words().matches("a request must come back later").count()
}

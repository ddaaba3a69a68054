//! A part of this machine that exists for a test alone, as far as namespaces can make one. Nothing of it is left when the
//! test ends, however it ends.

use std::path::Path;
use std::time::Duration;

use crate::guard;
use crate::process;
use crate::{Context, Failure, skipped};

/// Says to the test that it is inside.
const INSIDE: &str = "IN_A_WORLD_OF_ITS_OWN";
/// All of it together; a quiet machine takes half a minute.
const DEADLINE: Duration = Duration::from_secs(600);

/// What a test wants for itself.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Options of `unshare`, by which it is made.
    pub namespaces: &'static [&'static str],
    /// What has to be permitted: lines of a shell, run in namespaces of their own.
    pub probe: &'static str,
    /// Makes it: lines of a shell, of which the last runs `"$@"`; `$0` is where the programs are.
    pub script: &'static str,
}

/// Whether this process lives in such a world. If not, the test of this name is run in one, and all is done when this returns.
///
/// # Errors
/// The test failed there, or did not run.
pub fn is_inside(test: &str, world: &World) -> Result<bool, Failure> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    let unshare = |script: &str| {
        let mut command = guard::guarded(Path::new("unshare"))?;
        command.args(world.namespaces).args(["sh", "-c", script]);
        Ok::<_, Failure>(command)
    };
    let probe = process::run("unshare", unshare(world.probe)?, DEADLINE)?;
    if probe.code != 0 {
        skipped(format_args!(
            "no machine for a test alone can be made here (as root, with namespaces): {}",
            probe.text()
        ));
        return Ok(false);
    }
    let mut inside = unshare(world.script)?;
    inside.arg(guard::programs()?).arg(std::env::current_exe().context("finding this test")?);
    inside.args(["--exact", test, "--include-ignored", "--nocapture"]).env(INSIDE, "yes");
    let done = process::run(test, inside, DEADLINE)?.expect(0, test)?;
    if done.stdout.contains("1 passed") {
        return Ok(false);
    }
    Err(Failure::new(format!("expected {test} to pass, found:\n{}", done.text())))
}

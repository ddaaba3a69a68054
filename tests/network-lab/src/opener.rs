//! What opens ports in a home's router: other people's `miniupnpd`, as it is in many of them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use story::process::Running;
use story::{Context, Failure};
use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::plan::Opens;

/// For how long it grants a port at once by PCP: so short that whoever looks on sees what becomes of it.
pub const GRANTS: Duration = Duration::from_secs(60);

/// How long it may take to begin.
const START: Duration = Duration::from_secs(20);

/// A router's `miniupnpd`, ended before the namespace that it runs in.
#[derive(Debug)]
pub struct Opener {
    _running: Running,
    _folder: TempDir,
}

impl Opener {
    /// Starts it between the router's devices `lan` and `wan`; its rules go into the chains of [`crate::rules::opening`].
    ///
    /// # Errors
    /// It is not installed, or does not begin.
    pub fn start(router: &Namespace, opens: Opens, outside: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().context("making a folder")?;
        let settings = folder.path().join("miniupnpd.conf");
        let yes = |holds: bool| if holds { "yes" } else { "no" };
        let text = format!(
            "ext_ifname=wan\next_ip={outside}\nlistening_ip=lan\nhttp_port=0\nenable_natpmp={}\nenable_upnp={}\n\
             force_igd_desc_v1={}\nsecure_mode=yes\nmin_lifetime=30\nmax_lifetime={}\nuuid=5f1c0c6e-6d1e-4c3b-9c7e-2b1f0a7d9e10\n\
             upnp_table_name=firewall\nupnp_nat_table_name=firewall\nupnp_forward_chain=opened\n\
             upnp_nat_chain=opened_in\nupnp_nat_postrouting_chain=opened_out\n\
             allow 1024-65535 0.0.0.0/0 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            yes(opens == Opens::Pcp),
            yes(opens != Opens::Pcp),
            yes(opens == Opens::UpnpOne),
            GRANTS.as_secs(),
        );
        std::fs::write(&settings, text).context("writing the settings of miniupnpd")?;
        let mut command = router.command(Path::new("/bin/sh"))?;
        // It says what it does on standard error, first of all that it has begun.
        command.args(["-c", "exec miniupnpd -d -f \"$1\" -P \"$1.pid\" 2>&1", "sh"]).arg(&settings);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = Running::start("miniupnpd", command)?;
        let first = running.first_line(START)?;
        if running.ended()?.is_some() {
            return Err(Failure::new(format!("miniupnpd ended before it began: {}", first.trim())));
        }
        Ok(Self { _running: running, _folder: folder })
    }
}

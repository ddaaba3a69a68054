//! A machine that exists for a test alone: a network with nobody else in it, and folders where the page has them, as far as
//! namespaces can make one. Nothing of it is left when the test ends, however it ends.

use std::path::Path;
use std::time::Duration;

use story::guard;
use story::process;

/// Says to the test that it is inside.
const INSIDE: &str = "IN_A_WORLD_OF_ITS_OWN";
/// All of it together; a quiet machine takes half a minute.
const DEADLINE: Duration = Duration::from_secs(600);

/// What has to be permitted.
const PROBE: &str = "mount --make-rprivate / && mount -t tmpfs tmpfs /srv && ip link set lo up";

/// The names and folders of the page; `$0` is where the programs are.
const WORLD: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /srv
mount -t tmpfs tmpfs /media
cp -a /etc /srv/etc
mount --bind /srv/etc /etc
printf '127.0.0.1 localhost ca.example.org\n127.0.0.2 witness.example.net\n' > /etc/hosts
install -d -m 0700 /etc/inperson /media/vault
mount -t tmpfs tmpfs /usr/local/bin
for program in ca homeserver certtool transparency-log; do ln -s "$0/$program" /usr/local/bin/; done
ip link set lo up
exec "$@"
"#;

/// Whether this is such a machine. If not, the test of this name is run on one, and all is done when this returns.
pub(crate) fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |script: &str| {
        let mut command = guard::guarded(Path::new("unshare")).unwrap();
        command.args(["--mount", "--net", "sh", "-c", script]);
        command
    };
    let probe = process::run("unshare", unshare(PROBE), DEADLINE).unwrap();
    if probe.code != 0 {
        story::skipped(format_args!(
            "no machine for a test alone can be made here (as root, with namespaces): {}",
            probe.text()
        ));
        return false;
    }
    let mut inside = unshare(WORLD);
    inside.arg(guard::programs().unwrap()).arg(std::env::current_exe().unwrap());
    inside.args(["--exact", test, "--include-ignored", "--nocapture"]).env(INSIDE, "yes");
    let done = process::run(test, inside, DEADLINE).unwrap().expect(0, test).unwrap();
    assert!(done.stdout.contains("1 passed"), "{}", done.text());
    false
}

//! A machine for a test alone: a network with nobody else in it, and folders where the page has them.

use story::apart::{self, World};

/// The names and folders of the page.
const MACHINE: World = World {
    namespaces: &["--mount", "--net"],
    probe: "mount --make-rprivate / && mount -t tmpfs tmpfs /srv && ip link set lo up",
    script: r#"
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
"#,
};

/// Whether this is such a machine. If not, the test of this name is run on one, and all is done when this returns.
pub(crate) fn is_inside(test: &str) -> bool {
    apart::is_inside(test, &MACHINE).unwrap()
}

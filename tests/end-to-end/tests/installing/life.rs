//! The life of the packages on a clean machine: installed, upgraded, removed, purged.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::contents;
use super::machine::Machine;
use super::packages;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The package of this name as the tests have it.
pub(crate) fn package(name: &str) -> PathBuf {
    let found = std::fs::read_dir(packages()).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let begins = format!("{name}_{VERSION}_");
    let fits = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins));
    found.into_iter().find(fits).unwrap_or_else(|| panic!("no package {name} in {}", packages().display()))
}

/// The same package as if it were of a later version, with its name as the page has it.
pub(crate) fn newer(name: &str, version: &str, place: &Path) -> PathBuf {
    let unpacked = place.join(version);
    let dpkg = |arguments: &[&std::ffi::OsStr]| {
        assert!(Command::new("dpkg-deb").args(arguments).stdout(Stdio::null()).status().unwrap().success());
    };
    dpkg(&["--raw-extract".as_ref(), package(name).as_ref(), unpacked.as_ref()]);
    let control = unpacked.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let old = format!("\nVersion: {VERSION}\n");
    assert!(text.contains(&old), "{text}");
    std::fs::write(&control, text.replace(&old, &format!("\nVersion: {version}\n"))).unwrap();
    let file = place.join(package(name).file_name().unwrap().to_str().unwrap().replace(VERSION, version));
    dpkg(&["-Znone".as_ref(), "--build".as_ref(), unpacked.as_ref(), file.as_ref()]);
    std::fs::remove_dir_all(unpacked).unwrap();
    file
}

/// A package with GnuTLS' certtool, as far as it matters here.
fn gnutls(place: &Path) -> PathBuf {
    let folder = place.join("gnutls-bin");
    for (path, content) in [
        (
            "DEBIAN/control",
            "Package: gnutls-bin\nVersion: 3.7\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: another certtool\n",
        ),
        ("usr/bin/certtool", "#!/bin/sh\necho certtool of GnuTLS\n"),
        ("usr/share/man/man1/certtool.1.gz", "a page\n"),
    ] {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), content).unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder.join("usr/bin/certtool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = place.join("gnutls-bin_3.7_all.deb");
    let built = Command::new("dpkg-deb").arg("--build").args([&folder, &file]).stdout(Stdio::null()).status().unwrap();
    assert!(built.success());
    file
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// Every file of the machine that a package could have brought or made.
fn files(machine: &Machine) -> Vec<String> {
    let found = machine.sh(
        "find /usr /etc /var /home /srv /opt -xdev \\( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /var/lib/apt \\
         -o -path /var/tmp -o -path /var/lib/systemd -o -path /var/lib/private \\) -prune -o -print | grep -vE '^/etc/(passwd|group|shadow|gshadow)' | sort",
    );
    found.stdout.lines().map(ToOwned::to_owned).collect()
}

#[test]
#[ignore = "boots a clean Debian, as root; run by ./test --all"]
fn the_server_comes_runs_on_and_goes() {
    let Some(machine) = Machine::boot() else { return };
    let place = tempfile::tempdir().unwrap();
    let before = files(&machine);
    machine.bring(&package("inperson-server"));
    let install = format!("apt-get install -y ./{}", name(&package("inperson-server")));
    machine.sh(&install);
    // An account, a folder of its own, a service that waits for settings; nobody is asked, nothing has failed.
    assert_eq!(machine.sh("stat -c '%U %G %a' /var/lib/inperson").stdout, "inperson inperson 700\n");
    assert!(machine.sh("getent passwd inperson").stdout.ends_with(":/var/lib/inperson:/usr/sbin/nologin\n"));
    assert_eq!(machine.sh("systemctl is-enabled homeserver").stdout, "enabled\n");
    assert_eq!(machine.tries("systemctl is-active homeserver").stdout, "inactive\n");
    for unit in ["directory", "transparency-log@witness", "ca-vrf-signer"] {
        assert_eq!(machine.tries(&format!("systemctl is-enabled {unit}")).stdout, "disabled\n", "{unit}");
    }
    assert_eq!(machine.sh("systemctl --failed --plain --no-legend").stdout, "");
    // What each program tells of itself is where shells and man look for it.
    for program in ["homeserver", "ca", "directory", "transparency-log"] {
        machine.sh(&format!("test \"$({program} man)\" = \"$(zcat /usr/share/man/man1/{program}.1.gz)\""));
        machine.sh(&format!("bash -c '. /usr/share/bash-completion/completions/{program}; complete -p {program}'"));
        machine.sh(&format!("test -s /usr/share/zsh/vendor-completions/_{program} -a -s /usr/share/fish/vendor_completions.d/{program}.fish"));
    }
    // Purged before it was used, it has never been there.
    machine.sh("apt-get purge -y inperson-server");
    assert_eq!(files(&machine), before);

    // Set up, it runs, and an upgrade has it run on as the newer program.
    machine.sh(&install);
    machine.sh("runuser -u inperson -- ca --folder /var/lib/inperson init --domain localhost --listen 127.0.0.1");
    machine.sh("systemctl start homeserver");
    let process = || machine.sh("systemctl show --property MainPID --value homeserver").stdout;
    let health = "curl -fsSk https://localhost:8443/acme/health";
    assert!(machine.sh(health).stdout.contains("\"status\":\"ok\""));
    let (first, keys) = (process(), machine.sh("cd /var/lib/inperson && sha256sum keys/*.pem policy.json").stdout);
    let upgrade = |version: &str| {
        let file = newer("inperson-server", version, place.path());
        machine.bring(&file);
        machine.sh(&format!("apt-get install -y ./{}", name(&file)));
        std::fs::remove_file(machine.path("root").join(name(&file))).unwrap();
    };
    upgrade("9.0.1");
    assert_ne!(process(), first);
    assert!(machine.sh(health).stdout.contains("\"status\":\"ok\""));
    // What its operator stopped and disabled stays so.
    machine.sh("systemctl disable --now homeserver");
    upgrade("9.0.2");
    assert_eq!(machine.tries("systemctl is-active homeserver").stdout, "inactive\n");
    assert_eq!(machine.tries("systemctl is-enabled homeserver").stdout, "disabled\n");
    machine.sh("systemctl enable --now homeserver");

    // Removed: it is stopped, and everything of the authority is there. Purged: likewise, and it is said.
    machine.sh("apt-get remove -y inperson-server");
    assert_eq!(
        machine
            .sh("for one in /proc/[0-9]*/exe; do readlink $one || true; done | { grep -c homeserver || true; }")
            .stdout,
        "0\n"
    );
    let purged = machine.sh("apt-get purge -y inperson-server").text();
    assert!(purged.contains("/var/lib/inperson is kept") && purged.contains("rm -r /var/lib/inperson"), "{purged}");
    assert_eq!(machine.sh("cd /var/lib/inperson && sha256sum keys/*.pem policy.json").stdout, keys);
    assert_eq!(machine.sh("systemctl --failed --plain --no-legend").stdout, "");
    assert!(!machine.sh("systemctl list-unit-files --plain --no-legend").stdout.contains("homeserver"));
    // Installed again, it runs as it was.
    machine.sh(&install);
    assert!(machine.sh(health).stdout.contains("\"status\":\"ok\""));
    assert_eq!(machine.sh("cd /var/lib/inperson && sha256sum keys/*.pem policy.json").stdout, keys);
}

#[test]
#[ignore = "boots a clean Debian, as root; run by ./test --all"]
fn what_people_have_stands_beside_gnutls() {
    let Some(machine) = Machine::boot() else { return };
    let place = tempfile::tempdir().unwrap();
    let other = gnutls(place.path());
    machine.bring(&other);
    machine.bring(&package("inperson"));
    let before = files(&machine);
    let install = format!("apt-get install -y ./{}", name(&package("inperson")));
    let installs_other = format!("dpkg -i {}", name(&other));
    let answers = || machine.sh("certtool --version").stdout;
    let ours = format!("certtool {VERSION}\n");
    let theirs = "certtool of GnuTLS\n";

    // Ours alone has the name; the other one takes it, and gives it back.
    machine.sh(&install);
    assert_eq!(answers(), ours);
    machine.sh("test \"$(certtool man)\" = \"$(zcat /usr/share/man/man1/certtool.1.gz)\"");
    // Links belong to the messenger; its entry, its program and its picture are where desktops look.
    contents::has_links(&machine.path("/usr/share/applications"));
    machine.sh("test \"$(command -v messenger)\" = /usr/bin/messenger");
    machine.sh("test -s /usr/share/icons/hicolor/scalable/apps/in-person.svg");
    machine.sh("bash -c '. /usr/share/bash-completion/completions/certtool; complete -p certtool'");
    machine.sh(&installs_other);
    assert_eq!((answers().as_str(), machine.sh("inperson-certtool --version").stdout), (theirs, ours.clone()));
    machine.sh("test ! -e /usr/share/bash-completion/completions/certtool");
    machine.sh("dpkg --purge gnutls-bin");
    assert_eq!(answers(), ours);
    // The other one is there first, and stays when ours goes.
    machine.sh("apt-get purge -y inperson");
    assert_eq!(files(&machine), before);
    machine.sh(&format!("{installs_other} && {install}"));
    assert_eq!(answers(), theirs);
    let newer = newer("inperson", "9.0.1", place.path());
    machine.bring(&newer);
    machine.sh(&format!("apt-get install -y ./{}", name(&newer)));
    assert_eq!(answers(), theirs);
    machine.sh("apt-get purge -y inperson && dpkg --verify gnutls-bin");
    assert_eq!(answers(), theirs);
}

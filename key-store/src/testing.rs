//! For tests: a token of SoftHSM in a folder of its own.
//!
//! SoftHSM finds it by an environment variable, which a test cannot set for itself: so a test runs itself once more, as a
//! process that has it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "for tests alone")]

use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIGURATION: &str = "SOFTHSM2_CONF";
/// The PIN of the token.
pub const PIN: &str = "482913";

/// SoftHSM's library.
///
/// # Panics
/// SoftHSM is not installed.
#[must_use]
pub fn module() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    places.iter().map(PathBuf::from).find(|path| path.exists()).expect("softhsm2 is installed")
}

/// The URI of the key with this label, whose PIN lies in this file.
#[must_use]
pub fn uri(label: &str, pin: &Path) -> String {
    format!("pkcs11:token=CA;object={label}?module-path={}&pin-source=file:{}", module().display(), pin.display())
}

/// Runs the test `name`, which calls this first, in a process with a token "CA" that has these keys: (label, kind as
/// `pkcs11-tool` names it). `true` in that process; in the other, once it has ended well, `false`.
///
/// # Panics
/// SoftHSM or `pkcs11-tool` fails, or the test does.
#[must_use]
pub fn with_token(folder: &Path, name: &str, keys: &[(&str, &str)]) -> bool {
    if std::env::var_os(CONFIGURATION).is_some() {
        return true;
    }
    let (tokens, configuration) = (folder.join("tokens"), folder.join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&configuration, text).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env(CONFIGURATION, &configuration).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("softhsm2-util", &["--init-token", "--free", "--label", "CA", "--pin", PIN, "--so-pin", "12345678"]);
    let module = module();
    for (n, (label, kind)) in keys.iter().enumerate() {
        let (id, module) = (format!("{:02x}", n + 1), module.to_str().unwrap());
        let token = ["--module", module, "--token-label", "CA", "--login", "--pin", PIN];
        run(
            "pkcs11-tool",
            &[&token[..], &["--keypairgen", "--key-type", kind, "--label", label, "--id", &id]].concat(),
        );
    }
    let this = std::env::current_exe().unwrap();
    run(this.to_str().unwrap(), &["--exact", name, "--nocapture"]);
    false
}

/// A file with a PIN, for its owner alone.
///
/// # Panics
/// It cannot be written.
#[must_use]
pub fn pin_file(folder: &Path, pin: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(format!("pin-{pin}"));
    std::fs::write(&path, pin).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

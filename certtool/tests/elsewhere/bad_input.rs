//! What nobody should hand to a program: files that are none of the known kinds, one without end, no HOME, and one that is
//! read-only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use device::MailKeyType;
use identity::UnixTime;
use identity::testing::Authority;
use serde_json::Value;

use crate::place::{ALICE, Done, P256, PASSPHRASE, Place, other, skipped};

/// Where the file stands in a command.
const FILE: &str = "FILE";
/// So many seconds of a processor may a refusal take: who reads on and on is ended.
const TIME: &str = "--cpu=30";
/// So much memory may it take: what is read of a file, a few times.
const MEMORY: &str = "--data=100663296";

/// Another program, which finds what a certtool of this place does.
fn at_home(place: &Place, program: &str, arguments: &[&str]) -> Command {
    let mut command = other(program, arguments);
    for (name, value) in place.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(place.path());
    command
}

/// Every file below a folder, with what is in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        match kind.is_dir() {
            true => found.extend(contents(&path)),
            false => _ = found.insert(path.display().to_string(), fs::read(&path).unwrap()),
        }
    }
    found
}

#[test]
fn what_is_none_of_the_known_kinds_is_refused_at_once_by_every_command() {
    let place = Place::new();
    place.enrolled();
    place.mailbox(MailKeyType::P256);
    place.write("letter", b"Dear Bob,\n");
    let (certificate, key) = place.mail("mail", P256);
    place.certtool(&["sign", "letter", "--dated", "no"]).good();
    // Outside of what is compared: nobody reads ten gibibytes twice.
    let strangers = tempfile::tempdir().unwrap();
    let stranger = |name: &str| strangers.path().join(name).display().to_string();
    fs::File::create(stranger("large")).unwrap().set_len(10 << 30).unwrap();
    fs::write(stranger("noise"), [0xfd; 4_000]).unwrap();
    fs::write(stranger("half"), &fs::read(&certificate).unwrap()[..400]).unwrap();
    fs::create_dir(stranger("folder")).unwrap();
    let mut files: Vec<_> = ["large", "noise", "half", "folder"].map(stranger).into();
    files.push("/dev/zero".to_owned());

    let pass = format!("file:{}", place.at("passphrase"));
    let policy = place.fingerprint();
    // All that read a file but date request: that reads a whole message, whatever its size.
    let commands: &[&[&str]] = &[
        &["trust", "add", FILE],
        &["trust", "update", &policy, "--from", FILE, "--yes"],
        &["trust", "bind", FILE],
        &["inspect", FILE],
        &["lint", FILE],
        &["diff", &certificate, FILE],
        &["diff", FILE, &certificate],
        &["verify", FILE],
        &["verify", &certificate, "--crl", FILE],
        &["verify", "letter", "--signer", ALICE, "--signature", FILE],
        &["verify", "--evidence", FILE],
        &["evidence", FILE, "-o", "new"],
        &["sign", "letter", "--by", FILE, "--key", &key, "--out", "new"],
        &["sign", "letter", "--by", &certificate, "--key", FILE, "--out", "new"],
        &["encrypt", "letter", "--to", FILE, "--out", "new"],
        &["decrypt", FILE, "--out", "new"],
        &["decrypt", FILE, "--out", "new", "--by", &certificate, "--key", &key],
        &["export", "--for", "openssl", FILE, "--key", &key, "--new-passphrase", &pass, "--out", "new"],
        &["export", "--for", "openssl", &certificate, "--key", FILE, "--new-passphrase", &pass, "--out", "new"],
        &["export", "--for", "ssh", FILE, "--out", "-"],
        &["install", "--for", "git", FILE, "--key", &key, "--local"],
        &["install", "--for", "firefox", FILE, "--key", &key, "--database", "new"],
        &["import", FILE, "--file-passphrase", &pass],
        &["import", &certificate, "--key", FILE],
        &["gen", "nginx", FILE],
        &["proof", "export", FILE],
        &["proof", "verify", FILE, "--certificate", &certificate],
        &["proof", "verify", &certificate, "--certificate", FILE],
        &["proof", "import", FILE, "-o", "new"],
        &["date", "verify", "letter.p7s", ALICE, "--date", FILE],
        &["card", FILE],
        &["endorse", FILE, "--yes"],
        &["endorse", "--accept", FILE],
        &["key", "restore", FILE, "--phrase", &pass],
    ];
    let before = contents(place.path());
    for command in commands {
        for file in &files {
            let arguments: Vec<_> = ["--json"]
                .iter()
                .chain(*command)
                .map(|word| if *word == FILE { file.as_str() } else { *word })
                .collect();
            let limits = [MEMORY, TIME, env!("CARGO_BIN_EXE_certtool")];
            let output = at_home(&place, "prlimit", &[&limits[..], &arguments].concat()).stdin(Stdio::null()).output();
            let output = output.unwrap();
            let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
            assert!(matches!(output.status.code(), Some(1 | 3)), "{arguments:?}: {:?}\n{said}", output.status);
            let told = String::from_utf8_lossy(&output.stdout);
            let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default())
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"));
            let is_told = |what: &str| told["error"][what].as_str().is_some_and(|words| words.len() > 10);
            assert!(is_told("what") && is_told("try"), "{arguments:?}: {said}");
            assert!(!said.contains("PRIVATE KEY") && !said.contains(PASSPHRASE), "{arguments:?}: {said}");
        }
    }
    assert_eq!(contents(place.path()), before, "nothing was written, and nothing is half written");
}

#[test]
fn a_list_by_which_nothing_can_be_judged_is_told_with_what_helps() {
    let place = Place::new();
    let (certificate, _) = place.mail("mail", P256);
    let now = UnixTime::now();
    let foreign = place.write("foreign.crl", &Authority::new(2, now).people_crl(1, now, &[]));
    place.revoked(30 * 24 * 3600, &[]);
    let future = place.at("future.crl");
    fs::rename(place.at("home/crl/people.der"), &future).unwrap();
    let noise = place.write("noise.crl", &[0xfd; 400]);
    for (list, remedy) in [
        (foreign, "pin its policy: certtool trust add"),
        (future, "it is from the future"),
        (noise.clone(), &format!("certtool inspect {noise} says what it is")[..]),
    ] {
        let said = place.certtool(&["verify", &certificate, "--for", "mail", "--crl", &list]).bad(3);
        assert!(said.contains("Nothing was judged by it.") && said.contains(remedy), "{list}: {said}");
    }
}

/// `certtool` in an environment of nothing but these variables.
fn bare(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certtool"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(place.path());
    Done::of(command)
}

#[test]
fn without_a_home_it_is_said_how_to_name_one() {
    let place = Place::new();
    let (certificate, _) = place.mail("mail", P256);
    for arguments in [&["--version"][..], &["--help"], &["sign", "--help"], &["completions", "bash"], &["man", "sign"]]
    {
        assert!(!bare(&place, arguments, &[]).good().is_empty(), "{arguments:?}");
    }
    for nowhere in [&[][..], &[("HOME", "")], &[("XDG_DATA_HOME", "relative")]] {
        for arguments in [&["status"][..], &["inspect", &certificate], &["enroll", ALICE], &["renew", "--all"]] {
            let said = bare(&place, arguments, nowhere).bad(1);
            assert!(said.contains("none of INPERSON_HOME, XDG_DATA_HOME and HOME is set"), "{arguments:?}: {said}");
            assert!(said.contains("--home DIR"), "{arguments:?}: {said}");
        }
    }
    // Whoever names a folder needs none.
    let home = place.at("home");
    bare(&place, &["--home", &home, "verify", &certificate, "--for", "mail"], &[]).good();
    bare(&place, &["verify", &certificate, "--for", "mail"], &[("INPERSON_HOME", &home)]).good();
    let new = place.at("another");
    bare(&place, &["status"], &[("HOME", &new)]).good();
    assert!(Path::new(&new).join(".local/share/inperson").is_dir());
    // Where nobody can make a folder, not even root.
    let file = place.write("file", b"");
    let said = bare(&place, &["status"], &[("HOME", &file)]).bad(1);
    assert!(said.contains("/file/.local/share/inperson cannot be written") && said.contains("--home"), "{said}");
}

/// Makes the folder $1 read-only, for the program alone that it then becomes; ends with 99 if that is not permitted.
const READ_ONLY: &str = r#"
mount --bind -o ro "$1" "$1" 2>/dev/null || exit 99
touch "$1/probe" 2>/dev/null && exit 99
shift
exec "$@"
"#;

/// A command of a shell's that finds the home read-only, also if it is root's.
fn read_only(place: &Place, arguments: &[&str]) -> Command {
    let wrapper = ["--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh"];
    at_home(place, "unshare", &[&wrapper[..], &[&place.at("home")], arguments].concat())
}

#[test]
fn a_home_that_is_read_only_is_read_and_whoever_wants_to_write_into_it_hears_so() {
    let place = Place::new();
    place.enrolled();
    place.mailbox(MailKeyType::P256);
    place.listed();
    place.write("letter", b"Dear Bob,\n");
    let (certificate, key) = place.mail("mail", P256);
    if !Done::of(read_only(&place, &["true"])).either().0 {
        return skipped("no read-only file systems can be made here");
    }
    let certtool =
        |arguments: &[&str]| Done::of(read_only(&place, &[&[env!("CARGO_BIN_EXE_certtool")], arguments].concat()));
    let pass = format!("file:{}", place.at("passphrase"));
    let before = contents(&place.path().join("home"));
    let (backup, words) = (place.at("backup.p12"), place.at("words"));
    for arguments in [
        &["inspect", &certificate][..],
        &["key", "list"],
        &["sign", "letter", "--dated", "no"],
        &["verify", "letter", "--signer", ALICE],
        &["encrypt", "letter", "--to", &certificate],
        &["decrypt", "letter.p7m", "--by", &certificate, "--key", &key, "--out", "clear"],
        &["export", "--for", "openssl", ALICE, "--new-passphrase", &pass, "--out", "exported"],
        &["key", "backup", "--out", &backup, "--phrase-to", &words],
    ] {
        certtool(arguments).good();
    }
    assert_eq!(fs::read(place.at("clear")).unwrap(), b"Dear Bob,\n");
    let phrase = format!("file:{words}");
    let policy = place.fingerprint();
    for arguments in [
        &["trust", "remove", &policy][..],
        &["import", &certificate, "--key", &key],
        &["key", "seal", "--new-passphrase", &pass],
        &["key", "restore", &backup, "--phrase", &phrase],
        &["install", "--for", "git", ALICE, "--local"],
    ] {
        let said = certtool(arguments).bad(1);
        assert!(said.to_lowercase().contains("read-only"), "{arguments:?}: {said}");
        assert!(!said.contains("PRIVATE KEY") && !said.contains(PASSPHRASE), "{arguments:?}: {said}");
    }
    assert_eq!(contents(&place.path().join("home")), before, "nothing is half written");
}

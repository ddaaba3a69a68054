//! What every program tells of itself: bash, zsh and fish complete its commands with it, and groff sets its manual pages.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use story::guard;
use story::process::{self, Finished};

const SOON: Duration = Duration::from_secs(60);

/// Every program, the beginning of one of its commands, and that command. All of them differ from what every program has.
const PROGRAMS: [(&str, &str, &str); 6] = [
    ("certtool", "insp", "inspect"),
    ("messenger", "headl", "headless"),
    ("ca", "resto", "restore"),
    ("homeserver", "introd", "introduce"),
    ("directory", "ser", "serve"),
    ("transparency-log", "moni", "monitor"),
];

fn program(name: &str, arguments: &[&str]) -> Output {
    Command::new(guard::program(name).unwrap()).args(arguments).output().unwrap()
}

/// Writes what completes `name` in `shell` to `path`.
fn completions(name: &str, shell: &str, path: &Path) {
    let told = program(name, &["completions", shell]);
    assert!(told.status.success() && told.stderr.is_empty(), "{name} {shell}: {told:?}");
    fs::write(path, told.stdout).unwrap();
}

fn shell(command: &[&str]) -> Finished {
    let mut guarded = guard::guarded(Path::new(command[0])).unwrap();
    guarded.args(&command[1..]).env("TERM", "dumb");
    process::run(command[0], guarded, SOON).unwrap()
}

#[test]
fn bash_completes_the_commands_of_every_program() {
    let place = tempfile::tempdir().unwrap();
    for (name, begun, whole) in PROGRAMS {
        let script = place.path().join(name);
        completions(name, "bash", &script);
        // What bash does when Tab is pressed: it looks up the function, gives it the words, and reads COMPREPLY.
        let asked = format!(
            "set -eu; . '{}'; f=$(complete -p {name} | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             COMP_WORDS=({name} {begun}); COMP_CWORD=1; COMPREPLY=(); $f {name} {begun} {name}; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let done = shell(&["bash", "--norc", "-c", &asked]).expect(0, "bash").unwrap();
        assert_eq!(done.stdout.trim(), whole, "{name}: {}", done.text());
    }
}

#[test]
fn zsh_completes_the_commands_of_every_program() {
    let place = tempfile::tempdir().unwrap();
    for (name, begun, whole) in PROGRAMS {
        completions(name, "zsh", &place.path().join(format!("_{name}")));
        // A second zsh on a terminal of its own, in which Tab is pressed; its screen is read until the command is whole.
        let asked = format!(
            "zmodload zsh/zpty; zpty z zsh -f -i; \
             zpty -w z 'fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -d {folder}/dump; PS1=; print -r ready:$((6*7))'; \
             zpty -r -m z seen '*ready:42*'; \
             zpty -w -n z $'{name} {begun}\\t'; zpty -r -m z seen '*{name} {whole} *'; print -r -- completed",
            folder = place.path().display()
        );
        let done = shell(&["zsh", "-f", "-c", &asked]).expect(0, "zsh").unwrap();
        assert_eq!(done.stdout.trim(), "completed", "{name}: {}", done.text());
    }
}

#[test]
fn fish_completes_the_commands_of_every_program() {
    let place = tempfile::tempdir().unwrap();
    for (name, begun, whole) in PROGRAMS {
        let script = place.path().join(format!("{name}.fish"));
        completions(name, "fish", &script);
        let asked = format!("source '{}'; complete -C '{name} {begun}'", script.display());
        let done = shell(&["fish", "--no-config", "-c", &asked]).expect(0, "fish").unwrap();
        let offered: Vec<_> = done.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(offered, [whole], "{name}: {}", done.text());
    }
}

#[test]
fn groff_sets_every_page_without_a_warning() {
    let place = tempfile::tempdir().unwrap();
    for (name, _, whole) in PROGRAMS {
        let folder = place.path().join(name);
        let written = program(name, &["man", "--out", folder.to_str().unwrap()]);
        let listed = String::from_utf8(written.stdout).unwrap();
        assert!(written.status.success() && listed.lines().count() > 3, "{name}: {listed}");
        for path in listed.lines() {
            // Bold and underlined letters are not struck twice, so that words can be found.
            let set = Command::new("groff").args(["-Kutf8", "-Tutf8", "-man", "-ww", "-P-cbu", path]).output().unwrap();
            let warned = String::from_utf8_lossy(&set.stderr).into_owned();
            assert!(set.status.success() && warned.is_empty(), "{path}: {warned}");
            let page = String::from_utf8(set.stdout).unwrap();
            assert!(page.contains("In Person") && page.contains("EXIT STATUS"), "{path}: {page}");
        }
        // The page of a command can be had by its words, and is the one that was written.
        let page = program(name, &["man", whole]);
        assert_eq!(page.stdout, fs::read(folder.join(format!("{name}-{whole}.1"))).unwrap(), "{name}");
    }
}

#[test]
fn both_can_be_had_as_objects_and_fail_like_everything_else() {
    for (name, ..) in PROGRAMS {
        let told = program(name, &["completions", "bash", "--json"]);
        let object: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((told.status.code(), object["shell"].as_str()), (Some(0), Some("bash")), "{name}");
        let refused = program(name, &["man", "no-such-command", "--json"]);
        let object: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!((refused.status.code(), object["error"]["exit"].as_u64()), (Some(2), Some(2)), "{name}: {object}");
        assert_eq!(program(name, &["completions", "cmd.exe"]).status.code(), Some(2), "{name}");
    }
}

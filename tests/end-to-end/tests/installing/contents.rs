//! What can be seen of the packages without making them.

use std::path::Path;
use std::time::Duration;

use story::guard;
use story::process;

use super::{text, top};

const SOON: Duration = Duration::from_secs(60);
const ENTRY: &str = "in-person.desktop";

fn run(program: &str, arguments: &[&str]) -> process::Finished {
    let mut command = guard::guarded(Path::new(program)).unwrap();
    command.args(arguments).current_dir(top());
    process::run(program, command, SOON).unwrap()
}

/// That the entry for the desktop which lies in this folder is sound, and that a desktop which knows this folder alone opens
/// `inperson:` links by it.
pub(crate) fn has_links(applications: &Path) {
    let entry = applications.join(ENTRY);
    let said = run("desktop-file-validate", &["--no-hints", entry.to_str().unwrap()]);
    assert_eq!(said.expect(0, "desktop-file-validate").unwrap().text(), "");
    // A person's own folders are empty, and the machine's have nothing but what the package brings.
    let desktop = tempfile::tempdir().unwrap();
    let there = desktop.path().join("share/applications");
    std::fs::create_dir_all(&there).unwrap();
    std::fs::copy(&entry, there.join(ENTRY)).unwrap();
    // What Debian does by a trigger when an entry comes.
    run("update-desktop-database", &[there.to_str().unwrap()]).expect(0, "update-desktop-database").unwrap();
    let mut query = guard::guarded(Path::new("xdg-mime")).unwrap();
    query.args(["query", "default", "x-scheme-handler/inperson"]).env_remove("XDG_CURRENT_DESKTOP");
    for (name, folder) in [("HOME", "own"), ("XDG_DATA_HOME", "own/data"), ("XDG_CONFIG_HOME", "own/config")] {
        query.env(name, desktop.path().join(folder));
    }
    query.env("XDG_DATA_DIRS", desktop.path().join("share")).env("XDG_CONFIG_DIRS", desktop.path().join("none"));
    let opens = process::run("xdg-mime", query, SOON).unwrap().expect(0, "xdg-mime query").unwrap();
    assert_eq!(opens.stdout.trim(), ENTRY);
}

/// What a manifest says of its package.
fn metadata(folder: &str) -> toml::Table {
    let manifest: toml::Table = toml::from_str(&text(&format!("{folder}/Cargo.toml"))).unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

#[test]
fn links_of_contact_cards_belong_to_the_messenger() {
    has_links(&top().join("packages/person"));
    let entry = text(&format!("packages/person/{ENTRY}"));
    for line in ["Exec=messenger %u", "Terminal=true", "MimeType=x-scheme-handler/inperson;", "Icon=in-person"] {
        assert!(entry.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn everything_that_a_package_takes_is_there() {
    for folder in ["homeserver", "messenger/messenger"] {
        let deb = metadata(folder);
        let assets = deb["assets"].as_array().unwrap();
        let mut committed = 0;
        for asset in assets {
            let source = asset[0].as_str().unwrap();
            // Programs and what they tell are made; of a pattern, the folder.
            if source.starts_with("target/release/") {
                continue;
            }
            let source = source.split("/*").next().unwrap();
            assert!(top().join(folder).join(source).exists(), "{folder}: {source}");
            committed += 1;
        }
        assert!(committed > 3, "{folder}");
        let scripts = top().join(folder).join(deb["maintainer-scripts"].as_str().unwrap());
        for script in ["postinst", "prerm"] {
            let script = scripts.join(script);
            run("sh", &["-n", script.to_str().unwrap()]).expect(0, "dash reads the script").unwrap();
        }
    }
    run("sh", &["-n", "packages/server/postrm"]).expect(0, "dash reads the script").unwrap();
}

#[test]
fn every_program_is_in_one_package_with_what_it_tells_of_itself() {
    let script = text("tools/packages.sh");
    let takes = |folder: &str| text(&format!("{folder}/Cargo.toml"));
    let (server, person) = (takes("homeserver"), takes("messenger/messenger"));
    for (program, manifest, told) in [
        ("homeserver", &server, "told server "),
        ("ca", &server, "told server "),
        ("directory", &server, "told server "),
        ("transparency-log", &server, "told server "),
        ("messenger", &person, "told person "),
        ("certtool", &person, "told person "),
    ] {
        assert!(manifest.contains(&format!("[\"target/release/{program}\", ")), "{program}");
        let line = script.lines().find(|line| line.starts_with(told)).unwrap();
        assert!(line.split(' ').any(|word| word == program), "{program}: {line}");
    }
}

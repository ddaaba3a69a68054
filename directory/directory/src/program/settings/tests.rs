use super::*;

/// The settings that the help shows, and those of the page for operators.
fn shown() -> [(&'static str, String); 2] {
    let help = super::super::EXAMPLE;
    let (_, help) = help.split_once("they change):\n").unwrap();
    let (help, _) = help.split_once("Exit codes").unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/directory.md");
    let page = std::fs::read_to_string(page).unwrap();
    let tables = page.split("```toml\n").skip(1).filter_map(|block| block.split_once("```")).map(|(table, _)| table);
    let of_directory = |table: &&str| table.lines().next().is_some_and(|line| line.contains("directory.toml"));
    let page: Vec<&str> = tables.filter(of_directory).collect();
    assert_eq!(page.len(), 2, "the settings, and those of several nodes");
    [("the help", help.to_owned()), ("the page", page.concat())]
}

#[test]
fn the_settings_that_are_shown_are_understood_and_no_others() {
    for (place, text) in shown() {
        let settings = toml::from_str::<Settings>(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(settings.operator, Some("127.0.0.1:4480".parse().unwrap()), "{place}");
        let line = |of: &str| text.lines().find(|line| line.trim_start().starts_with(of));
        for first in [Some("listen"), line("fingerprint").map(|_| "fingerprint"), Some("key =")].into_iter().flatten() {
            let known = line(first).unwrap_or_else(|| panic!("{place} has no {first}"));
            let more = text.replace(known, &format!("{known}\nlistens = 1"));
            let refused = toml::from_str::<Settings>(&more).expect_err(place).to_string();
            assert!(refused.contains("unknown field `listens`"), "{place}, after {first}: {refused}");
        }
    }
}

#[test]
fn figures_are_for_this_machine_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.toml");
    let read = |operator: &str| {
        let rest = "listen = \"[::]:4433\"\ntrust_policy = \"p\"\ncertificate = \"c\"\n";
        std::fs::write(&path, format!("operator = \"{operator}\"\n{rest}")).unwrap();
        Settings::read(&path)
    };
    for here in ["127.0.0.1:4480", "[::1]:4480", "[::ffff:127.0.0.1]:0"] {
        assert!(read(here).is_ok(), "{here}");
    }
    for elsewhere in ["0.0.0.0:4480", "[::]:4480", "192.0.2.7:4480"] {
        let refused = read(elsewhere).err().map(|failure| failure.to_string()).unwrap_or_default();
        assert!(refused.contains("expected a loopback address") && refused.contains(elsewhere), "{refused}");
    }
    assert!(read("localhost:4480").is_err());
}

//! The figures that a home server shows, and what docs/operations/metrics makes of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::process;

use super::{text, top};

const SOON: Duration = Duration::from_secs(60);
const FOLDER: &str = "docs/operations/metrics";

/// Debian's promtool, as tools/setup.sh lays it beside the other tools, or wherever it is.
fn promtool(arguments: &[&str]) -> process::Finished {
    let ours = guard::programs().unwrap().parent().unwrap().join("tools/bin/promtool");
    let program = if ours.exists() { ours } else { Path::new("promtool").to_owned() };
    let mut command = guard::guarded(&program).unwrap();
    command.args(arguments).current_dir(top().join(FOLDER));
    process::run("promtool", command, SOON).unwrap()
}

#[test]
fn prometheus_takes_its_settings_and_every_rule_speaks_when_it_should() {
    promtool(&["check", "config", "prometheus.yml"]).expect(0, "promtool check config").unwrap();
    promtool(&["test", "rules", "rules.test.yml"]).expect(0, "promtool test rules").unwrap();
    // Each is played, quiet and loud.
    let (rules, tests) = (text(&format!("{FOLDER}/rules.yml")), text(&format!("{FOLDER}/rules.test.yml")));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(tests.contains(&format!("value: {}}}", alerts.len())), "as many speak as there are");
    for alert in &alerts {
        assert!(tests.contains(&format!("alertname: {alert}, exp_alerts: []")), "{alert} is quiet");
    }
}

/// Every name of ours in a text, where a figure is meant: `inperson_log_batches_total`.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("inperson_") || word.starts_with("tlog_")).map(ToOwned::to_owned).collect()
}

#[test]
fn no_rule_and_no_picture_names_a_figure_that_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &["--permit-phone", "+49"]).unwrap();
    let base = server.ready().acme.strip_suffix("/acme/directory").unwrap().to_owned();
    let mut shown = BTreeSet::new();
    for path in ["acme/metrics", "directory/metrics"] {
        let mut curl = guard::guarded(Path::new("curl")).unwrap();
        curl.args(["--fail", "--silent", "--show-error", "--insecure", "--max-time", "20", &format!("{base}/{path}")]);
        let figures = process::run("curl", curl, SOON).unwrap().expect(0, "curl").unwrap().stdout;
        let kinds = figures.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let before = shown.len();
        shown.extend(kinds.map(ToOwned::to_owned));
        assert!(shown.len() > before + 5, "{path}: {figures}");
    }
    server.stop().unwrap();
    let dashboard: Value = serde_json::from_str(&text(&format!("{FOLDER}/dashboard.json"))).unwrap();
    let asked: Vec<_> =
        dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["targets"][0]["expr"].to_string()).collect();
    for (what, named) in [
        ("dashboard.json", names(&asked.join(" "))),
        ("rules.yml", names(&text(&format!("{FOLDER}/rules.yml")))),
        ("rules.test.yml", names(&text(&format!("{FOLDER}/rules.test.yml")))),
    ] {
        let unknown: Vec<_> = named.difference(&shown).collect();
        assert!(
            named.len() > 5 && unknown.is_empty(),
            "{what} names {unknown:?}, which the server does not show: {shown:?}"
        );
    }
    // What the directory and the authority show most of, somebody looks at.
    let looked_at = names(&asked.join(" "));
    assert!(looked_at.iter().filter(|name| name.starts_with("inperson_directory_")).count() >= 5, "{looked_at:?}");
}

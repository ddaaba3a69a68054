use super::*;

fn options() -> Options {
    Options { https_port: Some(9443), ..Options::default() }
}

/// The sample with its `[log_elsewhere]` in force.
fn with_log_elsewhere(sample: &str) -> String {
    let (before, elsewhere) = sample.split_once("# [log_elsewhere]").unwrap();
    let (elsewhere, after) = elsewhere.split_once("\n\n").unwrap();
    format!("{before}[log_elsewhere]{}\n\n{after}", elsewhere.replace("\n# ", "\n"))
}

#[test]
fn what_is_written_is_read_back() {
    let settings = Settings::first(&options(), 2026).unwrap();
    assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()));
    assert_eq!(settings.origin(), "localhost:9443/log/2026");
    assert_eq!(settings.directory_address(), "127.0.0.1:8444");
}

#[test]
fn the_sample_is_understood() {
    let settings = Settings::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(settings.base_url(), "https://chat.example.org:8443");
    assert_eq!(settings.directory_address(), "chat.example.org:8444");
}

#[test]
fn unknown_missing_and_misspelt_keys_are_refused_by_line_without_quoting_it() {
    let text = Settings::first(&options(), 2026).unwrap().to_toml();
    let unknown = Settings::parse(format!("{text}smpt = \"smtp://u:s3cret@h\"\n").as_bytes()).unwrap_err();
    assert!(unknown.contains("`smpt`; did you mean `smtp`?") && unknown.starts_with("line 1"), "{unknown}");
    assert!(!unknown.contains("s3cret"));
    assert!(Settings::parse(b"domain = \"localhost\"\n").unwrap_err().contains("missing field"));
    assert!(Settings::parse(&[0xff; 9]).unwrap_err().contains("UTF-8"));
    assert!(Settings::parse(&vec![b'#'; MAX_BYTES + 1]).is_err());
}

#[test]
fn what_people_have_pinned_stays_and_the_rest_may_change() {
    let settings = Settings::first(&options(), 2026).unwrap();
    let other = Options { domain: Some("elsewhere.example".into()), ..Options::default() };
    assert!(settings.clone().with(&other).unwrap_err().to_string().contains("--domain"));
    let zero = Options { https_port: Some(0), smtp: Some(Smtp::Url("smtp://h".into())), ..Options::default() };
    let changed = settings.clone().with(&zero).unwrap();
    assert_eq!((changed.https_port, changed.smtp.as_deref()), (9443, Some("smtp://h")));
    let back = changed.with(&Options { smtp: Some(Smtp::Outbox), ..Options::default() }).unwrap();
    assert_eq!(back, settings);
}

#[test]
fn a_directory_is_named_by_domains_that_may_enrol() {
    let text = |names: &str, more: &str| {
        let settings = Settings::first(&Options { permit_domains: vec!["example.org".into()], ..options() }, 2026);
        settings.unwrap().to_toml().replace("\nlog_year", &format!("\ndirectory_names = [{names}]\nlog_year")) + more
    };
    let foreign = "[[foreign]]\npolicy = \"beta.json\"\nfingerprint = \"00\"\ndomains = [\"example.net\"]\n";
    let settings = Settings::parse(text("\"example.org\"", foreign).as_bytes()).unwrap();
    assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()), "kept as it is");
    assert_eq!((settings.directory_names.len(), settings.foreign.len()), (1, 1));
    let refused = Settings::parse(text("\"example.net\"", "").as_bytes()).unwrap_err();
    assert!(refused.contains("permit_domains (example.org), found example.net"), "{refused}");
    let refused = Settings::parse(text("", &format!("{foreign}domain = \"x\"\n")).as_bytes()).unwrap_err();
    assert!(refused.contains("unknown field `domain`"), "{refused}");
}

#[test]
fn a_store_is_for_logs_in_this_process_alone() {
    let settings = Settings::first(&options(), 2026).unwrap();
    let store = "[log_store]\nbucket = \"logs\"\nprefix = \"home\"\n";
    let with_store = Settings::parse(format!("{}{store}", settings.to_toml()).as_bytes()).unwrap();
    assert_eq!(Settings::parse(with_store.to_toml().as_bytes()), Ok(with_store), "kept as it is");
    let both = with_log_elsewhere(SAMPLE);
    let refused = Settings::parse(both.as_bytes()).unwrap_err();
    assert!(refused.contains("found both"), "{refused}");
    let refused = |store: &str| Settings::parse(format!("{}{store}", settings.to_toml()).as_bytes()).unwrap_err();
    assert!(refused(&store.replace("home", "a//b")).starts_with("[log_store]: prefix"));
    assert!(refused(&format!("{store}secret = \"s3cret\"\n")).contains("unknown field `secret`"));
}

#[test]
fn a_shared_database_needs_a_log_elsewhere_and_a_url() {
    let sample = SAMPLE.replace("# database =", "database =");
    let (sample, _log_store) = sample.split_once("# An object store").unwrap();
    let alone = Settings::parse(sample.as_bytes()).unwrap_err();
    assert!(alone.contains("expected [log_elsewhere] beside it"), "{alone}");
    let both = with_log_elsewhere(sample);
    let settings = Settings::parse(both.as_bytes()).unwrap();
    assert!(settings.database.as_ref().is_some_and(|url| url.starts_with("postgres://")));
    assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()), "kept as it is");
    assert!(!format!("{settings:?}").contains("PASSWORD"));
    let wrong = both.replace("postgres://", "mysql://");
    let refused = Settings::parse(wrong.as_bytes()).unwrap_err();
    assert!(refused.starts_with("database: ") && !refused.contains("PASSWORD"), "{refused}");
}

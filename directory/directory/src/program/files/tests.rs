use super::*;
use directory::DirectoryConfig;
use identity::certificate::Certificate;
use identity::testing::Authority;
use identity::verify::verify_person;

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
}

/// A directory of one authority, whose people it serves beside another's at one domain.
struct Place {
    folder: tempfile::TempDir,
    now: UnixTime,
    own: Authority,
    foreign: Authority,
}

impl Place {
    fn new() -> Self {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3_600));
        let [own, foreign] = [1, 2].map(|seed| Authority::new(seed, now));
        let place = Self { folder: tempfile::tempdir().unwrap(), now, own, foreign };
        let (chain, key) = place.own.issue_service("directory.example.org", now);
        let mut certificate = pem("PRIVATE KEY", key.secret_der());
        chain.iter().for_each(|one| certificate.push_str(&pem("CERTIFICATE", one)));
        place.write("directory.pem", certificate.as_bytes());
        place.write("policy.json", &place.own.policy().canonical());
        place.write("beta.json", &place.foreign.policy().canonical());
        place.write("people.crl", &place.own.people_crl(1, now, &[]));
        place.write("beta.crl", &place.foreign.people_crl(1, now, &[]));
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nobservation_port = 0\ntrust_policy = \"policy.json\"\ncertificate = \"directory.pem\"\n\
             revocation_lists = [\"beta.crl\", \"people.crl\"]\n[[foreign]]\npolicy = \"beta.json\"\nfingerprint = \"{}\"\n\
             domains = [\"example.net\"]\n",
            place.foreign.policy().fingerprint()
        );
        place.write("directory.toml", settings.as_bytes());
        place
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn open(&self) -> (Files, Directory) {
        let settings = Settings::read(&self.folder.path().join("directory.toml")).unwrap();
        let files = Files::open(settings.clone()).unwrap();
        let config = DirectoryConfig::new(settings.listen, files.resolver(), files.trust());
        let config = DirectoryConfig { observation: settings.observation(), ..config };
        (files, Directory::bind(config).unwrap())
    }
}

/// The rule by which this person is refused.
fn refused(files: &Files, chain: &[CertificateDer<'static>]) -> Option<&'static str> {
    verify_person(chain, &files.trust(), UnixTime::now()).err().map(|error| error.rule.id())
}

#[tokio::test]
async fn a_foreign_policy_that_is_newer_than_its_fingerprint_keeps_no_revocation_out() {
    let place = Place::new();
    let (mut files, directory) = place.open();
    let [alice, bob] = ["alice@example.org", "bob@example.net"].map(|who| who.parse().unwrap());
    let (of_alice, _) = place.own.issue_person(&alice, place.now);
    let (of_bob, _) = place.foreign.issue_person(&bob, place.now);
    assert_eq!((refused(&files, &of_alice), refused(&files, &of_bob)), (None, None));
    files.look(&directory).unwrap();

    let mut newer = place.foreign.policy();
    newer.name.push_str(", newer");
    place.write("beta.json", &newer.canonical());
    let serial = Certificate::parse(&of_alice[0]).unwrap().tbs().serial().to_vec();
    place.write("people.crl", &place.own.people_crl(2, UnixTime::now(), &[&serial]));
    let problem = files.look(&directory).unwrap_err().to_string();
    assert!(problem.contains("beta.json") && problem.contains("expected the fingerprint"), "{problem}");
    assert_eq!(refused(&files, &of_alice), Some("REV-01"));
    assert_eq!(refused(&files, &of_bob), None, "the version that was compared stays in force");

    // Nor does it keep out a new version of the own policy.
    let mut own = place.own.policy();
    own.authorities[0].domains = vec!["example.com".to_owned()];
    place.write("policy.json", &own.canonical());
    files.look(&directory).unwrap_err();
    let (dora, _) = place.own.issue_person(&"dora@example.org".parse().unwrap(), place.now);
    assert_eq!(refused(&files, &dora), Some("TRUST-02"));
    assert_eq!(refused(&files, &of_bob), None);
    // All is well again once the file is the one that was compared.
    place.write("beta.json", &place.foreign.policy().canonical());
    files.look(&directory).unwrap();
}

#[tokio::test]
async fn a_foreign_policy_whose_file_is_away_keeps_no_new_version_of_the_own_one_out() {
    let place = Place::new();
    let (mut files, directory) = place.open();
    std::fs::remove_file(place.folder.path().join("beta.json")).unwrap();
    let mut own = place.own.policy();
    own.authorities[0].domains = vec!["example.com".to_owned()];
    place.write("policy.json", &own.canonical());
    let problem = files.look(&directory).unwrap_err().to_string();
    assert!(problem.contains("beta.json"), "{problem}");
    let (dora, _) = place.own.issue_person(&"dora@example.org".parse().unwrap(), place.now);
    let (bob, _) = place.foreign.issue_person(&"bob@example.net".parse().unwrap(), place.now);
    assert_eq!((refused(&files, &dora), refused(&files, &bob)), (Some("TRUST-02"), None));
}

#[tokio::test]
async fn a_list_that_is_damaged_keeps_no_other_one_out_and_what_it_said_stays() {
    let place = Place::new();
    let of = |authority: &Authority, who: &str| authority.issue_person(&who.parse().unwrap(), place.now).0;
    let (alice, bob) = (of(&place.own, "alice@example.org"), of(&place.foreign, "bob@example.net"));
    let serial = |chain: &[CertificateDer<'static>]| Certificate::parse(&chain[0]).unwrap().tbs().serial().to_vec();
    place.write("beta.crl", &place.foreign.people_crl(2, UnixTime::now(), &[&serial(&bob)]));
    let (mut files, directory) = place.open();
    assert_eq!((refused(&files, &alice), refused(&files, &bob)), (None, Some("REV-01")));

    place.write("beta.crl", b"");
    place.write("people.crl", &place.own.people_crl(2, UnixTime::now(), &[&serial(&alice)]));
    let problem = files.look(&directory).unwrap_err().to_string();
    assert!(problem.contains("beta.crl"), "{problem}");
    assert_eq!((refused(&files, &alice), refused(&files, &bob)), (Some("REV-01"), Some("REV-01")));

    // Nor does it keep out a new version of the policy, under which both lists count on.
    let mut own = place.own.policy();
    own.name.push_str(", newer");
    place.write("policy.json", &own.canonical());
    files.look(&directory).unwrap_err();
    assert_eq!(files.trust().policies()[0].fingerprint(), own.fingerprint());
    assert_eq!((refused(&files, &alice), refused(&files, &bob)), (Some("REV-01"), Some("REV-01")));
}

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

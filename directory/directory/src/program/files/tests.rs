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

#[tokio::test]
async fn how_old_the_lists_are_is_known_of_those_in_force() {
    let place = Place::new();
    let (mut files, directory) = place.open();
    let later = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(place.now.as_secs() + seconds));
    let (taken, day) = (files.taken(), 86_400);
    assert_eq!(taken.lists(later(0)), Some(Age::Young));
    // These name the next day for the next list.
    assert_eq!(taken.lists(later(day)), Some(Age::Young));
    assert_eq!(taken.lists(later(day + 1)), Some(Age::Expired));
    // A newer one of one authority says nothing of the other's; and one that is damaged leaves the older one in force.
    let now = UnixTime::now();
    place.write("people.crl", &place.own.people_crl(2, now, &[]));
    files.look_and_note(&directory).unwrap();
    assert_eq!(taken.lists(later(day + 1)), Some(Age::Expired));
    place.write("beta.crl", b"");
    files.look_and_note(&directory).unwrap_err();
    assert_eq!((taken.all(), taken.lists(later(day + 1))), (false, Some(Age::Expired)));
    place.write("beta.crl", &place.foreign.people_crl(2, now, &[]));
    files.look_and_note(&directory).unwrap();
    assert_eq!((taken.all(), taken.lists(later(day + 1))), (true, Some(Age::Young)));
}

//! The root on a machine of its own.

use std::path::PathBuf;

use key_store::Passphrase;

use super::super::*;
use super::now;
use crate::LabelKey;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn passphrase_file(folder: &Path, text: &str) -> PassphraseSource {
    let path = folder.join(format!("passphrase-{}", text.len()));
    crate::files::write(&path, text.as_bytes()).unwrap();
    PassphraseSource::File(path)
}

struct Machines {
    _folder: tempfile::TempDir,
    vault: PathBuf,
    online: PathBuf,
    of_root: PassphraseSource,
    of_keys: PassphraseSource,
}

impl Machines {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (vault, online) = (folder.path().join("vault"), folder.path().join("online"));
        let of_root = passphrase_file(folder.path(), "the root's");
        let of_keys = passphrase_file(folder.path(), "the others'");
        let sealed = NewKeyPlace::File(Some(passphrase("the root's")));
        init_root(&vault, "Example", &sealed, now()).unwrap();
        Self { _folder: folder, vault, online, of_root, of_keys }
    }

    fn request(&self, authority: Authority) -> String {
        let sealed = NewKeyPlace::File(Some(passphrase("the others'")));
        let asked = request_issuing(&self.online, authority, &sealed, now()).unwrap();
        std::fs::read_to_string(asked.path).unwrap()
    }

    fn sign(&self, request: &str) -> String {
        let request = IssuingRequest::read(request).unwrap();
        sign_issuing(&self.vault, &request, Some(self.of_root.clone()), now()).unwrap().chain
    }

    fn install(&self, chain: &str) -> Result<Installed, CeremonyError> {
        install_issuing(&self.online, chain, Some(&passphrase("the others'")), now())
    }

    fn open(&self) -> Result<AuthorityKeys, KeysError> {
        AuthorityKeys::open_with(&self.online, Some(self.of_keys.clone()))
    }
}

#[test]
fn an_authority_begins_and_goes_on_with_its_root_elsewhere() {
    let machines = Machines::new();
    let requests = [Authority::People, Authority::Services].map(|authority| machines.request(authority));
    for request in &requests {
        machines.install(&machines.sign(request)).unwrap();
    }
    assert!(!machines.online.join("root.key.pem").exists());
    for file in ["people.key.pem", "services.key.pem", "audit.key.pem"] {
        assert!(is_sealed(&machines.online.join(file)), "{file}");
    }
    assert!(LabelKey::open(&machines.online.join(LABEL_KEY)).unwrap().is_some());
    let keys = machines.open().unwrap();
    assert_eq!(keys.issuers().len(), 2);
    assert!(AuthorityKeys::open(&machines.online).unwrap_err().to_string().contains("none was given"));
    let wrong = AuthorityKeys::open_with(&machines.online, Some(machines.of_root.clone()));
    assert!(wrong.is_err());

    // Its log is over: the label key that was destroyed stays so. What the keys were opened with is not read again.
    std::fs::remove_file(machines.online.join(LABEL_KEY)).unwrap();
    let PassphraseSource::File(file) = &machines.of_keys else { panic!("a file") };
    std::fs::remove_file(file).unwrap();
    let second = machines.install(&machines.sign(&machines.request(Authority::People))).unwrap();
    assert!(!machines.online.join(LABEL_KEY).exists());
    assert_eq!(second.name.to_string(), "people-2");
    let [new] = keys.installed_since().unwrap().try_into().unwrap_or_else(|_| panic!("one"));
    let old = keys.issuer(Authority::People);
    keys.take_up(Arc::clone(&new));
    assert_eq!(keys.issuer(Authority::People).name, new.name);
    assert_ne!(old.certificate().tbs().subject(), new.certificate().tbs().subject());
    assert_eq!(issuing_certificates(&machines.online).unwrap().len(), 3);

    let transcript = std::fs::read_to_string(machines.vault.join("transcript.txt")).unwrap();
    for said in ["root made", "issuing certificate signed", &second.root, "In Person people CA 2"] {
        assert!(transcript.contains(said), "{said}: {transcript}");
    }
    let here = std::fs::read_to_string(machines.online.join("transcript.txt")).unwrap();
    assert!(here.contains("issuing certificate requested") && here.contains("issuing certificate installed"));
}

/// Whatever an installation that was broken off has done, the next one finishes it.
#[test]
fn an_installation_is_finished_by_the_next_one() {
    let machines = Machines::new();
    let chain = machines.sign(&machines.request(Authority::People));
    let at = |name: &str| machines.online.join(name);
    std::fs::rename(at("people.requested.key.pem"), at("people.key.pem")).unwrap();
    machines.install(&chain).unwrap();
    assert!(at("people.pem").exists() && !at("people.requested.csr.pem").exists());
    machines.install(&machines.sign(&machines.request(Authority::Services))).unwrap();
    machines.open().unwrap();
}

#[test]
fn a_certificate_is_installed_and_issues_while_it_is_valid() {
    let machines = Machines::new();
    let chain = machines.sign(&machines.request(Authority::People));
    let second = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    let at = |years: u64| second(now().as_secs() + years * 365 * 86_400);
    let sealed = passphrase("the others'");
    let install = |now| install_issuing(&machines.online, &chain, Some(&sealed), now);
    for wrong in [second(now().as_secs() - 61), at(5)] {
        let error = install(wrong).unwrap_err();
        assert!(matches!(error, CeremonyError::Keys(KeysError::Dates { .. })), "{error}");
        assert!(!machines.online.join("root.pem").exists() && !machines.online.join(LABEL_KEY).exists());
    }
    // What the server could not open at its next start is not installed.
    for (other, why) in [(None, "none was given"), (Some(passphrase("another")), "people.requested.key.pem")] {
        let error = install_issuing(&machines.online, &chain, other.as_ref(), now()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!machines.online.join("people.pem").exists());
    }
    // A clock that lags a little is no reason to refuse.
    install(second(now().as_secs() - 60)).unwrap();
    machines.install(&machines.sign(&machines.request(Authority::Services))).unwrap();
    let keys = machines.open().unwrap();
    keys.check_dates(now()).unwrap();
    assert!(matches!(keys.check_dates(second(now().as_secs() - 61)), Err(KeysError::Dates { .. })));
    // One that has ended issues nothing that counts, but its lists are served.
    keys.check_dates(at(5)).unwrap();
    assert!(matches!(keys.issuer(Authority::People).check_dates(at(5)), Err(KeysError::Dates { .. })));
    // Nothing lies in clear beside what is sealed.
    let clear = request_issuing(&machines.online, Authority::People, &NewKeyPlace::File(None), now()).unwrap_err();
    assert!(clear.to_string().contains("expected a passphrase"), "{clear}");
}

fn is_sealed(path: &Path) -> bool {
    key_store::sealed::is_sealed(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn what_was_not_asked_for_is_not_installed() {
    let machines = Machines::new();
    let request = machines.request(Authority::People);
    let sealed = NewKeyPlace::File(None);
    let twice = request_issuing(&machines.online, Authority::People, &sealed, now()).unwrap_err();
    assert!(matches!(twice, CeremonyError::Exists(_)), "{twice}");
    assert!(matches!(init_root(&machines.vault, "Example", &sealed, now()), Err(CeremonyError::Exists(_))));
    let chain = machines.sign(&request);

    // By another root, for a key from elsewhere, for another use, altered on the way, or nothing of the kind.
    let other = Machines::new();
    machines.install(&chain).unwrap();
    let second = machines.request(Authority::People);
    let by_other = other.sign(&second);
    let for_another_key = machines.sign(&other.request(Authority::People));
    let services = machines.request(Authority::Services);
    let for_services = machines.sign(&services);
    let cross = for_services.replacen("MII", "MIJ", 1);
    for (chain, said) in [
        (&by_other, "by the root of this authority"),
        (&for_another_key, "requested here"),
        (&cross, ""),
        (&"hello".to_owned(), "another file"),
        (&chain, "requested here"),
    ] {
        let error = machines.install(chain).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(IssuingRequest::read(&"x".repeat(100_000)).is_err());
    // A request whose signature is another key's.
    let mut der = pem::decode("CERTIFICATE REQUEST", &second).unwrap().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let altered = pem::encode("CERTIFICATE REQUEST", &der);
    assert!(IssuingRequest::read(&altered).unwrap_err().to_string().contains("not signed by the key"));
    let wrong =
        sign_issuing(&machines.vault, &IssuingRequest::read(&second).unwrap(), Some(machines.of_keys.clone()), now());
    assert!(wrong.is_err());
}

#[test]
fn keys_that_lie_in_clear_are_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    init(&keys, "Example", now()).unwrap();
    let source = passphrase_file(folder.path(), "the others'");
    let done = seal_keys(&keys, &passphrase("the others'"), now()).unwrap();
    assert_eq!(done, ["audit.key.pem", "people.key.pem", "root.key.pem", "services.key.pem"]);
    assert!(done.iter().all(|file| is_sealed(&keys.join(file))));
    assert_eq!(seal_keys(&keys, &passphrase("the others'"), now()).unwrap(), Vec::<String>::new());
    // Another passphrase would leave a mix that no server opens: nothing is sealed with it, also of what lies in clear.
    std::fs::rename(keys.join("people.key.pem"), keys.join("away")).unwrap();
    let fresh = folder.path().join("fresh");
    init(&fresh, "Example", now()).unwrap();
    std::fs::copy(fresh.join("people.key.pem"), keys.join("people.key.pem")).unwrap();
    seal_keys(&keys, &passphrase("another"), now()).unwrap_err();
    assert!(!is_sealed(&keys.join("people.key.pem")));
    std::fs::rename(keys.join("away"), keys.join("people.key.pem")).unwrap();
    AuthorityKeys::open_with(&keys, Some(source.clone())).unwrap();
    assert!(LabelKey::open(&keys.join(LABEL_KEY)).unwrap().is_some());
    sign_policy(&keys, &keys.join("root.key.pem"), Some(source), b"{}").unwrap();
    assert!(sign_policy(&keys, &keys.join("people.key.pem"), None, b"{}").is_err());
}

#[test]
fn names_of_issuing_keys_are_read_as_they_are_written() {
    for (text, generation) in [("people", 1), ("people-2", 2), ("services-999", 999)] {
        let name = IssuerName::parse(text).unwrap();
        assert_eq!((name.generation, name.to_string().as_str()), (generation, text));
    }
    for text in ["root", "people-1", "people-0", "people-02", "people-1000", "people-", "people-2.requested"] {
        assert_eq!(IssuerName::parse(text), None, "{text}");
    }
}

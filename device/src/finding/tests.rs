use super::*;
use identity::testing::{Authority as TestAuthority, NOON};
use identity::trust::Bindings;

fn policy(seed: u64, domains: &[&str], directory: Option<&str>) -> TrustPolicy {
    let mut policy = TestAuthority::new(seed, NOON).policy();
    policy.authorities[0].domains = domains.iter().map(|&domain| domain.to_owned()).collect();
    policy.directories = directory.iter().map(|name| entry(name)).collect();
    policy
}

fn entry(name: &str) -> DirectoryEntry {
    DirectoryEntry { name: name.to_owned(), address: format!("{name}:8444") }
}

fn who(text: &str) -> Identifier {
    text.parse().unwrap()
}

/// Somebody certified under the first of these policies.
fn finder(policies: Vec<TrustPolicy>) -> (tempfile::TempDir, Finder) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let own = policies[0].clone();
    let trust = Arc::new(Trust::new(policies).unwrap());
    let names = Names::open(&["127.0.0.1:1".to_owned()]).unwrap();
    let finder = Finder::new(&home, trust, (&own, entry("own.example")), names).unwrap();
    (folder, finder)
}

fn at(name: &str) -> Result<Plan, FindError> {
    Ok(Plan::Known(Found::At { name: name.to_owned(), addresses: vec![format!("{name}:8444")] }))
}

fn asks(domain: &str, else_at: Option<&str>) -> Result<Plan, FindError> {
    Ok(Plan::Ask { domain: domain.to_owned(), else_at: else_at.map(entry) })
}

const OWN: Result<Plan, FindError> = Ok(Plan::Known(Found::Own));

#[test]
fn who_is_listed_counts_more_than_who_may_certify_anybody() {
    let own = policy(1, &["*"], Some("own.example"));
    let beta = policy(2, &["beta.example"], Some("dir.example"));
    let (_folder, both) = finder(vec![own.clone(), beta.clone()]);
    assert_eq!(both.plan(&who("bob@beta.example")), asks("beta.example", Some("dir.example")));
    assert_eq!(both.plan(&who("bob@gamma.example")), OWN);
    let mut listing = own.clone();
    listing.authorities[0].domains = vec!["beta.example".to_owned()];
    let (_folder, listing) = finder(vec![listing, beta.clone()]);
    assert_eq!(listing.plan(&who("bob@beta.example")), OWN, "nobody is asked about one's own domain");
    assert_eq!(
        listing.plan(&who("bob@gamma.example")),
        Err(FindError::NoAuthority { who: "bob@gamma.example".to_owned() })
    );
    // Somebody else's authority for anybody.
    let anybody = policy(3, &["*"], Some("public.example"));
    let (_folder, small) = finder(vec![policy(1, &["alpha.example"], Some("own.example")), anybody]);
    assert_eq!(small.plan(&who("bob@beta.example")), at("public.example"));
    let nameless = policy(3, &["*"], None);
    let (_folder, small) = finder(vec![policy(1, &["alpha.example"], Some("own.example")), nameless]);
    assert!(matches!(small.plan(&who("bob@beta.example")), Err(FindError::NoDirectory { .. })));
}

#[test]
fn who_is_known_by_an_authority_is_looked_for_there() {
    let (own, other) = (policy(1, &["*"], Some("own.example")), policy(2, &["*"], Some("public.example")));
    let root = other.authorities[0].root_digest().unwrap();
    let (_folder, finder) = finder(vec![own, other]);
    let bob = who("bob@beta.example");
    assert_eq!(finder.plan(&bob), OWN);
    let mut bindings = Bindings::default();
    bindings.bind(&bob, "Test authority 2", &root.0, NOON);
    finder.trust.set_bindings(bindings);
    assert_eq!(finder.plan(&bob), at("public.example"));
}

#[test]
fn who_is_known_by_an_authority_that_is_pinned_no_more_is_not_found_and_it_is_said_why() {
    let (_folder, finder) = finder(vec![policy(1, &["*"], Some("own.example")), policy(2, &["beta.example"], None)]);
    let bob = who("bob@beta.example");
    let mut bindings = Bindings::default();
    bindings.bind(&bob, "Test authority 3", &[9; 32], NOON);
    finder.trust.set_bindings(bindings);
    let error = finder.plan(&bob).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("known by Test authority 3 (root 0909090909090909…)"), "{said}");
    assert!(said.contains("Test authority 1 (root ") && said.contains("Test authority 2 (root "), "{said}");
    assert!(error.remedy().contains("`certtool trust unbind bob@beta.example`"), "{}", error.remedy());
    finder.trust.set_bindings(Bindings::default());
    assert_eq!(finder.plan(&bob), asks("beta.example", None));
}

#[test]
fn a_card_counts_before_everything() {
    let own = policy(1, &["beta.example"], Some("own.example"));
    let genesis = own.fingerprint();
    let (folder, finder) = finder(vec![own]);
    let card = |directory: &str| ContactCard {
        identifier: who("bob@beta.example"),
        genesis,
        policy: None,
        directory: entry(directory),
        keys: Vec::new(),
    };
    assert_eq!(finder.plan(&who("bob@beta.example")), OWN);
    finder.learn(&card("dir.example"));
    assert_eq!(finder.plan(&who("bob@beta.example")), at("dir.example"));
    assert_eq!(finder.plan(&who("carol@beta.example")), OWN);
    finder.learn(&card("own.example"));
    assert_eq!(finder.plan(&who("bob@beta.example")), OWN, "it is one's own directory");

    let home = Home::at(folder.path()).unwrap();
    assert_eq!(home.directories().unwrap(), Directories::default(), "nothing was written");
    home.keep_directory(&card("dir.example")).unwrap();
    assert_eq!(home.directories().unwrap().get(&who("bob@beta.example")), Some(&entry("dir.example")));
    home.write_text("directories.json", "[1]").unwrap();
    assert!(matches!(home.directories(), Err(HomeError::Corrupt { .. })));
}

#[tokio::test]
async fn a_silent_resolver_leaves_what_the_policy_says() {
    let own = policy(1, &["alpha.example"], Some("own.example"));
    let with = policy(2, &["beta.example"], Some("dir.example"));
    let (_folder, with) = finder(vec![own.clone(), with]);
    let found = with.find(&who("bob@beta.example")).await.unwrap();
    assert_eq!(found, Found::At { name: "dir.example".to_owned(), addresses: vec!["dir.example:8444".to_owned()] });
    let (_folder, without) = finder(vec![own, policy(2, &["beta.example"], None)]);
    let error = without.find(&who("bob@beta.example")).await.unwrap_err();
    assert!(error.to_string().contains("_inperson-directory._udp.beta.example could not be looked up"), "{error}");
    assert!(error.remedy().contains("--resolver") && error.remedy().contains("contact card"));
}

#[tokio::test]
async fn a_card_whose_directory_is_gone_is_passed_over_until_there_is_another() {
    let own = policy(1, &["alpha.example"], Some("own.example"));
    let genesis = own.fingerprint();
    let (_folder, finder) = finder(vec![own, policy(2, &["beta.example"], Some("dir.example"))]);
    let bob = who("bob@beta.example");
    let card = |directory: &str| ContactCard {
        identifier: bob.clone(),
        genesis,
        policy: None,
        directory: DirectoryEntry { address: format!("{}:8444", directory.to_uppercase()), ..entry(directory) },
        keys: Vec::new(),
    };
    let not_reached = |name: &str| finder.not_reached(&bob, name, &[format!("{name}:8444")]);
    assert!(!not_reached("dir.example"), "no card said so");
    finder.learn(&card("old.example"));
    assert_eq!(finder.plan(&bob), at("old.example"), "in one spelling");
    assert!(!not_reached("dir.example"));
    assert!(not_reached("old.example"));
    assert_eq!(finder.plan(&bob), asks("beta.example", Some("old.example")));
    assert!(!not_reached("old.example"), "said once; it is what is left if the domain says nothing");
    assert_eq!(finder.find(&bob).await.unwrap(), finder.at(entry("old.example")));
    finder.learn(&card("new.example"));
    assert_eq!(finder.plan(&bob), at("new.example"));
    // Nothing was reached, as turns out: the card may be right.
    assert!(not_reached("new.example"));
    assert_eq!(finder.plan(&bob), asks("beta.example", Some("new.example")));
    finder.was_cut_off(Duration::ZERO);
    assert_eq!(finder.plan(&bob), asks("beta.example", Some("new.example")), "it was not reached before that");
    finder.was_cut_off(Duration::from_secs(60));
    assert_eq!(finder.plan(&bob), at("new.example"));
    // Nobody is asked about one's own domain.
    let alice = who("carol@alpha.example");
    finder.learn(&ContactCard { identifier: alice.clone(), ..card("old.example") });
    assert!(finder.not_reached(&alice, "old.example", &["old.example:8444".to_owned()]));
    assert_eq!(finder.plan(&alice), OWN);
    // She is known by another authority since: that policy says nothing of her any more.
    assert!(not_reached("new.example"));
    let mut bindings = Bindings::default();
    bindings.bind(&bob, "Test authority 1", &[9; 32], NOON);
    finder.trust.set_bindings(bindings);
    assert_eq!(finder.plan(&bob), at("new.example"));
    // No domain can be asked about a number, nor one that nobody could vouch for.
    for stranger in ["+4915112345678", "eve@gamma.example"] {
        let card = ContactCard { identifier: who(stranger), ..card("old.example") };
        finder.learn(&card);
        assert!(!finder.not_reached(&who(stranger), "old.example", &["old.example:8444".to_owned()]));
    }
}

#[test]
fn a_domain_that_no_policy_lists_is_not_asked_about_in_place_of_a_card() {
    let own = policy(1, &["*"], Some("own.example"));
    let genesis = own.fingerprint();
    let (_folder, finder) = finder(vec![own, policy(2, &["beta.example"], None)]);
    let directory = entry("dir.example");
    let keys = Vec::new();
    finder.learn(&ContactCard { identifier: who("bob@gamma.example"), genesis, policy: None, directory, keys });
    assert!(!finder.not_reached(&who("bob@gamma.example"), "dir.example", &["dir.example:8444".to_owned()]));
    assert_eq!(finder.plan(&who("bob@gamma.example")), at("dir.example"));
}

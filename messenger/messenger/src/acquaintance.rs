//! Keeps by which authority each person is known, in the person's folder: the next start gives it back to the engine, and
//! so does a look at the folder now and then, as `certtool trust bind` and `unbind` change it meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use device::card::Taken;
use device::{Home, HomeError};
use identity::UnixTime;
use identity::card::ContactCard;
use identity::trust::{Bindings, Trust};
use messenger_engine::Event;

use crate::mail;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Brings what other programs change in the folder to those who verify by `trust`, for ever.
pub(crate) async fn follow(home: Home, trust: Arc<Trust>) {
    // The file's, not those in memory: whom the engine has met in between is not in the file yet.
    let file = home.folder().join("bindings.json");
    let mut looked = Version::of(&file);
    let mut known = home.bindings().unwrap_or_else(|_| trust.bindings());
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Version::of(&file);
        // Most of the time there is one call of the system: the file is read if it is another one.
        if now != looked {
            looked = now;
            adopt(&home, &trust, &mut known);
        }
    }
}

/// Which version of the file there is: whoever changes it puts another in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version(Option<(u64, u64, i64, i64)>);

impl Version {
    pub(crate) fn of(file: &Path) -> Self {
        let found = std::fs::metadata(file).ok();
        Self(found.map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec())))
    }
}

/// One look. A file that cannot be read changes nothing: whoever is bound stays so.
fn adopt(home: &Home, trust: &Trust, known: &mut Bindings) {
    if let Ok(now) = home.bindings()
        && now != *known
    {
        trust.adopt_bindings(known, &now);
        *known = now;
    }
}

/// For how long what is learnt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// From now on: it is in the folder.
    InFolder,
    /// While this program runs.
    InMemory,
}

/// Knows the person on a card by its authority: whoever verifies by `trust` does so when this returns. Says what it
/// came to.
///
/// # Errors
/// What is wrong, and what to try.
pub(crate) fn take(home: &Home, trust: &Trust, card: &ContactCard, kept: Kept) -> Result<String, (String, String)> {
    let who = &card.identifier;
    let taken = match kept {
        Kept::InFolder => take_for_good(home, trust, card),
        Kept::InMemory => {
            let before = trust.bindings();
            let mut after = before.clone();
            let taken = device::card::take_into(&mut after, home, card, UnixTime::now());
            trust.adopt_bindings(&before, &after);
            taken
        }
    };
    match taken {
        Ok(Taken::Known { authority, newly: true }) => Ok(format!("{who} is known by {authority} from now on.")),
        Ok(Taken::Known { authority, newly: false }) => Ok(format!("{who} is known by {authority}, as before.")),
        Ok(Taken::Open { permitted: 1.. }) => Ok(format!("{who} will be known by the authority that is seen first.")),
        Ok(Taken::Open { permitted: 0 }) => {
            Err((format!("by the policy on the card nobody may certify {who}"), "ask for a new card".to_owned()))
        }
        Ok(Taken::NotPinned) => Err((
            format!("the trust policy on the card of {who} is not pinned here"),
            "`certtool trust add` with the card, then start again".to_owned(),
        )),
        Ok(Taken::Other { known, card }) => Err((
            format!("{who} is known by {known}, and the card says {card}"),
            format!(
                "ask them, not over this connection; if the card is right, `certtool trust unbind {who}` and take it again"
            ),
        )),
        Err(error) => Err((format!("{who} is not known by the card: {error}"), "mend the file".to_owned())),
    }
}

/// The folder counts, and is taken over at once: the next look at it would come after the first connection.
fn take_for_good(home: &Home, trust: &Trust, card: &ContactCard) -> Result<Taken, HomeError> {
    let taken = device::card::take(home, card, UnixTime::now())?;
    if let Some(binding) = home.bindings()?.get(&card.identifier) {
        let mut theirs = Bindings::default();
        theirs.bind(&card.identifier, &binding.authority, &binding.root.0, UnixTime::now());
        trust.adopt_bindings(&Bindings::default(), &theirs);
    }
    Ok(taken)
}

/// Keeps what a `first_seen` or a `mail_certificate` event says; on disk when this returns. What went wrong comes back as an `error` event.
pub(crate) fn keep(home: &Home, event: &Event) -> Option<Event> {
    let Event::FirstSeen { who, authority, root, .. } = event else { return mail::keep(home, event) };
    let problem = |message: String, remedy: String| Some(Event::Error { about: who.to_string(), message, remedy });
    let kept = home.change_bindings(|bindings| {
        bindings.bind(who, authority, &root.0, UnixTime::now());
        bindings.get(who).cloned()
    });
    match kept {
        Ok(Some(binding)) if binding.root == *root => None,
        // Another program saw her first, with another certificate.
        Ok(Some(binding)) => problem(
            format!("{who} was met as certified by {authority}, and is kept as certified by {}", binding.authority),
            format!("start again; if {authority} is right, `certtool trust unbind {who}` first"),
        ),
        Ok(None) => problem(
            format!("not kept that {who} is certified by {authority}: too many people are kept"),
            "`certtool trust contacts` shows them, `certtool trust unbind` lets go of one".to_owned(),
        ),
        Err(error) => problem(
            format!("not kept that {who} is certified by {authority}: {error}"),
            "mend the file; until then the next start will not know it".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;
    use identity::testing::{Authority, NOON};
    use identity::trust::{DirectoryEntry, Fingerprint, TrustPolicy};
    use identity::verify::{VerifiedPerson, VerifyError, verify_person};

    fn seen(person: &VerifiedPerson) -> Event {
        Event::FirstSeen {
            who: person.identifier().clone(),
            authority: person.authority().to_owned(),
            root: Fingerprint(*person.authority_root()),
            device: Fingerprint([0; 32]),
        }
    }

    fn card(policy: &TrustPolicy, who: &Identifier) -> ContactCard {
        ContactCard {
            identifier: who.clone(),
            genesis: policy.fingerprint(),
            policy: None,
            directory: DirectoryEntry { name: "localhost".to_owned(), address: "127.0.0.1:8444".to_owned() },
            keys: Vec::new(),
        }
    }

    #[test]
    fn who_is_on_a_card_is_known_by_it_at_once() {
        for kept in [Kept::InFolder, Kept::InMemory] {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::at(folder.path()).unwrap();
            let [first, second] = [1, 2].map(|seed| Authority::new(seed, NOON));
            for policy in [first.policy(), second.policy()] {
                home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
            }
            let bob = Identifier::parse("bob@example.org").unwrap();
            let [right, wrong] = [&first, &second].map(|authority| authority.issue_person(&bob, NOON).0);
            // What the running engine verifies by.
            let trust = home.trust_at(NOON).unwrap();
            let words = take(&home, &trust, &card(&first.policy(), &bob), kept).unwrap();
            assert!(words.contains("Test authority 1 from now on"), "{words}");
            assert_eq!(verify_person(&wrong, &trust, NOON).unwrap_err().rule.id(), "TRUST-06");
            verify_person(&right, &trust, NOON).unwrap();
            let words = take(&home, &trust, &card(&first.policy(), &bob), kept).unwrap();
            assert!(words.contains("as before"), "{words}");
            let (message, _) = take(&home, &trust, &card(&second.policy(), &bob), kept).unwrap_err();
            assert!(message.contains("known by Test authority 1, and the card says Test authority 2"), "{message}");
            verify_person(&right, &trust, NOON).unwrap();
            assert_eq!(folder.path().join("bindings.json").exists(), kept == Kept::InFolder);
        }
    }

    #[test]
    fn who_is_let_go_of_may_come_from_another_authority_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let [first, second] = [1, 2].map(|seed| Authority::new(seed, NOON));
        for authority in [&first, &second] {
            let policy = authority.policy();
            home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        }
        let bob = Identifier::parse("bob@example.org").unwrap();
        let [met, other] = [&first, &second].map(|authority| authority.issue_person(&bob, NOON).0);
        // What the running engine verifies by.
        let trust = home.trust_at(NOON).unwrap();
        let person = verify_person(&met, &trust, NOON).unwrap();
        assert!(trust.bind(&person, NOON));
        let mut known = home.bindings().unwrap();
        assert_eq!(keep(&home, &seen(&person)), None);
        adopt(&home, &trust, &mut known);
        assert_eq!(verify_person(&other, &trust, NOON).unwrap_err().rule.id(), "TRUST-06");

        // `certtool trust unbind`.
        let file = home.folder().join("bindings.json");
        let before = Version::of(&file);
        home.change_bindings(|bindings| bindings.release(&bob)).unwrap();
        assert_ne!(Version::of(&file), before, "a change is seen");
        assert_eq!(Version::of(&file), Version::of(&file));
        adopt(&home, &trust, &mut known);
        verify_person(&other, &trust, NOON).unwrap();
        // A damaged file lets go of nobody.
        home.change_bindings(|bindings| bindings.bind(&bob, "Test authority 1", person.authority_root(), NOON))
            .unwrap();
        adopt(&home, &trust, &mut known);
        home.write_text("bindings.json", "[]").unwrap();
        adopt(&home, &trust, &mut known);
        assert_eq!(verify_person(&other, &trust, NOON).unwrap_err().rule.id(), "TRUST-06");
    }

    #[test]
    fn who_was_seen_once_is_known_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let [first, second] = [1, 2].map(|seed| Authority::new(seed, NOON));
        for authority in [&first, &second] {
            let policy = authority.policy();
            home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        }
        let bob = Identifier::parse("bob@example.org").unwrap();
        let verify = |authority: &Authority| -> Result<VerifiedPerson, VerifyError> {
            let (chain, _) = authority.issue_person(&bob, NOON);
            verify_person(&chain, &home.trust_at(NOON).unwrap(), NOON)
        };
        let (real, impostor) = (verify(&first).unwrap(), verify(&second).unwrap());
        assert_eq!(keep(&home, &seen(&real)), None);
        assert_eq!(keep(&home, &seen(&real)), None, "as before");
        verify(&first).unwrap();
        assert_eq!(verify(&second).unwrap_err().rule.id(), "TRUST-06");

        // Another program met somebody else by that name: what is kept stays.
        let Some(Event::Error { message, remedy, .. }) = keep(&home, &seen(&impostor)) else { panic!("it is told") };
        assert!(message.contains("Test authority 2, and is kept as certified by Test authority 1"), "{message}");
        assert!(remedy.contains("certtool trust unbind bob@example.org"), "{remedy}");
        verify(&first).unwrap();

        home.write_text("bindings.json", "[]").unwrap();
        let Some(Event::Error { message, .. }) = keep(&home, &seen(&real)) else { panic!("it is told") };
        assert!(message.contains("bindings.json is damaged"), "{message}");
    }
}

//! Identifiers, DNS names and links with them: what is canonical once is canonical for ever.
#![no_main]

use identity::card::{ContactCard, Link, MAX_CARD_BYTES};
use identity::{Identifier, identifier::canonical_dns_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(identifier) = Identifier::parse(text) {
        let again = Identifier::from_canonical(identifier.as_str());
        assert_eq!(again.as_ref(), Ok(&identifier), "canonical once is canonical twice");
        assert_eq!(Identifier::from_canonical(text).is_ok(), identifier.as_str() == text);
        let _ = identifier.lookalike();
    }
    if let Ok(link) = text.parse::<Link>() {
        let again = match &link {
            Link::Card(card) => card.to_string(),
            Link::Invitation(invitation) => invitation.link().to_string(),
        };
        // Escapes that others left out make it longer.
        let read = again.parse::<Link>().ok();
        assert!(again.len() > MAX_CARD_BYTES || read.as_ref() == Some(&link), "what is read is read again");
        assert_eq!(text.parse::<ContactCard>().ok().as_ref(), Some(link.card()), "an invitation is a card, too");
    }
    if let Ok(name) = canonical_dns_name(text) {
        assert_eq!(canonical_dns_name(&name).as_ref(), Ok(&name), "canonical once is canonical twice");
    }
});

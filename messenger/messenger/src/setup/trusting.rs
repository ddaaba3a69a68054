//! The first step: whose certificates count. By a contact card or an invitation, which have a fingerprint on them, or by an
//! address and a fingerprint that came by another way.

use std::path::Path;

use device::Home;
use device::card::Taken;
use device::https::fetch_to_compare_by_fingerprint;
use identity::UnixTime;
use identity::card::{ContactCard, Invitation, Link};
use identity::trust::{Fingerprint, TrustPolicy};

use super::Move;
use super::page::{Face, Page, Turn};
use crate::app::slash;
use crate::contacts::ContactBook;
use crate::failure::Failure;
use crate::own_devices::invitation;
use crate::picture;

/// Until a policy is pinned. The link with which the messenger was opened is proposed: it may come from anywhere.
pub(super) async fn trust(
    home: &Home,
    opened: Option<&Link>,
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Move, Failure> {
    page.title = "Whom you trust";
    page.words = vec![
        "Welcome. Certificates say who somebody is; a home server makes them, and you choose which one you believe."
            .to_owned(),
        "Paste the contact card that somebody gave you (inperson:…), or type the address of your home server (chat.example.org:8443)."
            .to_owned(),
        "You have the messenger on another device? /devices add there shows a link: paste that (or the path of a picture of \
         its code), and this device joins it."
            .to_owned(),
    ];
    match opened {
        Some(Link::Card(card)) => {
            page.say(format!(
                "You opened a card of {}. Enter takes it: then its home server is believed.",
                card.identifier
            ));
            page.proposal = card.to_string();
        }
        Some(Link::Invitation(invitation)) => {
            page.say(format!(
                "You opened an invitation. Enter takes it: then this device is to be one of {}'s.",
                invitation.card().identifier
            ));
            page.proposal = invitation.link().to_string();
        }
        None => {}
    }
    loop {
        page.question = Some("Card or address".to_owned());
        let typed = match face.ask(page).await? {
            Turn::Typed(typed) => typed.trim().to_owned(),
            // There is nothing before.
            Turn::Back | Turn::Leave => return Ok(Move::Leave),
        };
        page.notes.clear();
        page.proposal.clear();
        if typed.is_empty() {
            continue;
        }
        page.question = None;
        let pinned = match link(&typed) {
            Some(Ok(Link::Card(card))) => by_card(home, &card, page, face).await?,
            Some(Ok(Link::Invitation(invitation))) => by_invitation(home, &invitation, page, face).await?,
            Some(Err(problem)) => {
                page.complain(problem);
                Pinned::No
            }
            None => by_address(home, &typed, page, face).await?,
        };
        match pinned {
            Pinned::Yes => return Ok(Move::On),
            Pinned::No => {}
            Pinned::Leave => return Ok(Move::Leave),
        }
    }
}

/// A link, or the first in a picture; nothing if it is neither.
fn link(typed: &str) -> Option<Result<Link, String>> {
    if slash::is_link(typed) {
        return Some(slash::link(typed));
    }
    let path = Path::new(typed);
    (picture::ends_as_one(typed) && path.is_file()).then(|| picture::link(path))
}

enum Pinned {
    Yes,
    No,
    Leave,
}

/// By a card: its person is a contact from now on.
async fn by_card(home: &Home, card: &ContactCard, page: &mut Page, face: &mut impl Face) -> Result<Pinned, Failure> {
    let pinned = match fetched(home, card, page, face).await? {
        Ok(policy) => policy,
        Err(ended) => return Ok(ended),
    };
    let who = &card.identifier;
    let taken = device::card::take(home, card, UnixTime::now()).map_err(crate::start::folder_failure)?;
    if let Taken::Open { permitted: 0 } = taken {
        page.complain(format!("By the policy on the card nobody may certify {who}. Ask for a new card."));
        return Ok(Pinned::No);
    }
    // She has changed her mind.
    invitation::forget(home);
    let added = ContactBook::new(home.clone()).add(who);
    added.map_err(|error| Failure::new(error, "mend the file, or move it away"))?;
    shown(&pinned, Some(format!("{who} is your first contact.")), page, face).await
}

/// By what another device of the same person shows: this one calls it as soon as it has a certificate.
async fn by_invitation(
    home: &Home,
    invitation: &Invitation,
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Pinned, Failure> {
    let pinned = match fetched(home, invitation.card(), page, face).await? {
        Ok(policy) => policy,
        Err(ended) => return Ok(ended),
    };
    invitation::keep(home, invitation, UnixTime::now())
        .map_err(|error| Failure::new(error, "mend the folder, and try again"))?;
    let words = format!(
        "This device is to be one of {}'s. Once it has a certificate it calls the one that shows the invitation: leave that open, \
         and accept there.",
        invitation.card().identifier
    );
    shown(&pinned, Some(words), page, face).await
}

/// The policy that a card names, pinned; or how it ended.
async fn fetched(
    home: &Home,
    card: &ContactCard,
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Result<TrustPolicy, Pinned>, Failure> {
    page.say("Fetching the policy that the card names.");
    Ok(match face.turn(page, device::card::pin(home, card)).await? {
        Turn::Done(Ok(policy)) => Ok(policy),
        Turn::Done(Err(error)) => {
            page.complain(format!("{error}. Ask whoever gave you the link for a new one."));
            Err(Pinned::No)
        }
        Turn::Leave => Err(Pinned::Leave),
        _ => Err(Pinned::No),
    })
}

/// By an address, and the fingerprint that was handed on beside it.
async fn by_address(home: &Home, typed: &str, page: &mut Page, face: &mut impl Face) -> Result<Pinned, Failure> {
    let url = address_of_policy(typed);
    page.say(format!("Fetching {url}"));
    let bytes = match face.turn(page, fetch_to_compare_by_fingerprint(&url)).await? {
        Turn::Done(Ok(bytes)) => bytes,
        Turn::Done(Err(error)) => {
            page.complain(format!("{error}. Look at the address, and whether that server runs."));
            return Ok(Pinned::No);
        }
        Turn::Leave => return Ok(Pinned::Leave),
        _ => return Ok(Pinned::No),
    };
    page.say("It answers. Whether it is the right one, its fingerprint says: 64 digits and letters that its operator gives you by telephone, on paper or face to face.");
    loop {
        page.question = Some("The fingerprint you were given".to_owned());
        let typed = match face.ask(page).await? {
            Turn::Typed(typed) => typed,
            Turn::Leave => return Ok(Pinned::Leave),
            Turn::Back => {
                page.notes.clear();
                return Ok(Pinned::No);
            }
        };
        let expected = match typed.parse::<Fingerprint>() {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                page.complain(format!("{error}."));
                continue;
            }
        };
        match home.add_trust(&bytes, &expected) {
            Ok(policy) => {
                // She has changed her mind.
                invitation::forget(home);
                return shown(&policy, None, page, face).await;
            }
            Err(error) => page.complain(format!("{error}. Nothing is trusted. Look again, and ask the operator.")),
        }
    }
}

/// Shows what is trusted now.
async fn shown(
    policy: &TrustPolicy,
    more: Option<String>,
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Pinned, Failure> {
    let names: Vec<_> = policy.authorities.iter().map(|authority| authority.name.as_str()).collect();
    page.notes.clear();
    page.say(format!("You trust {} now, to certify whom its policy permits.", names.join(", ")));
    more.into_iter().for_each(|words| page.say(words));
    page.question = Some("Enter goes on".to_owned());
    Ok(match face.ask(page).await? {
        Turn::Leave => Pinned::Leave,
        _ => Pinned::Yes,
    })
}

/// Where a home server has its policy, as people write its address.
fn address_of_policy(typed: &str) -> String {
    let (scheme, rest) = typed.split_once("://").unwrap_or(("https", typed));
    let rest = rest.trim_end_matches('/');
    if rest.contains('/') { format!("{scheme}://{rest}") } else { format!("{scheme}://{rest}/policy") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_server_is_named_as_people_name_it() {
        for typed in ["chat.example.org:8443", "https://chat.example.org:8443/", "https://chat.example.org:8443/policy"]
        {
            assert_eq!(address_of_policy(typed), "https://chat.example.org:8443/policy");
        }
    }
}

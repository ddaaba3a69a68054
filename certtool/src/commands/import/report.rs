//! What was taken, and what is to be known of it.

use std::path::Path;

use device::KeptKey;
use identity::certificate::Certificate;
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::failure::Failure;
use crate::handed::{Leaf, Told};
use crate::output::{Page, Report};
use crate::subject::{Subject, for_earlier, for_mail};
use crate::text::quoted;
use crate::verdict::certified;

#[derive(Debug, Serialize)]
pub(super) struct Imported {
    imported: bool,
    /// Whether anything is here that was not before.
    changed: bool,
    keys: Vec<Key>,
    notes: Vec<String>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Key {
    #[serde(flatten)]
    told: Told,
    ended: bool,
    issuer: String,
    /// Which pinned authority vouches for the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    new: bool,
}

impl Imported {
    pub(super) fn of(
        context: &Context,
        file: &Path,
        kept: &[KeptKey],
        are_new: &[bool],
        notes: Vec<String>,
    ) -> Result<Self, Failure> {
        let keys = kept.iter().zip(are_new).map(|(kept, new)| Key::of(context, kept, *new));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let mut next = Vec::new();
        if let Some(first) = keys.first() {
            let has_own = context.home.has_mailbox(&kept[0].identifier)?;
            let named = if has_own { String::new() } else { format!(" {}", first.told.name) };
            next.push(format!("certtool install --for thunderbird{named}"));
        }
        next.push(format!("Remove {}, or keep it where nobody else comes by it.", quoted(&file.display().to_string())));
        Ok(Self { imported: true, changed: are_new.contains(&true), keys, notes, next })
    }
}

impl Key {
    fn of(context: &Context, kept: &KeptKey, new: bool) -> Result<Self, Failure> {
        let unknown = || Failure::failed("the certificate cannot be read", "Check the file.");
        let leaf = kept.chain.first().and_then(|der| Certificate::parse(der).ok()).ok_or_else(unknown)?;
        let of_leaf = Leaf::of(&kept.chain).ok_or_else(unknown)?;
        let now = clock::now();
        let subject = Subject::of_file(String::new(), kept.chain.clone());
        // One that has ended is judged as of its end: whether its authority is known is another thing.
        let ended = of_leaf.not_after.as_secs() < now.as_secs();
        let at = if ended { of_leaf.not_after } else { now };
        let vouched = certified(&subject, &context.home.trust_at(at)?, at).ok();
        Ok(Self {
            told: Told::of(name(context, kept)?, &kept.identifier, &of_leaf),
            ended,
            issuer: leaf.tbs().issuer().to_string(),
            authority: vouched.map(|person| person.authority().to_owned()),
            new,
        })
    }
}

/// As it is typed from now on: an earlier one, or the one that is used.
fn name(context: &Context, kept: &KeptKey) -> Result<String, Failure> {
    let public = kept.key.public_bits();
    let earlier = context.home.earlier_mailboxes(&kept.identifier)?;
    let found = earlier.iter().find(|one| one.public_key().as_deref() == Some(&public[..]));
    let named = found.and_then(|one| Leaf::of(&one.chain)).map(|leaf| for_earlier(&kept.identifier, &leaf));
    Ok(named.unwrap_or_else(|| for_mail(&kept.identifier)))
}

impl Report for Imported {
    fn page(&self, page: &mut Page) {
        for key in &self.keys {
            match key.new {
                true => page.good(&format!("Kept for old mails: {}", key.told.name)),
                false => page.good(&format!("Nothing to do: {} is here", key.told.name)),
            };
            page.field("key", &key.told.algorithm);
            page.field("until", format!("{}{}", key.told.until, if key.ended { " (ended)" } else { "" }));
            page.field("issuer", &key.issuer);
            match &key.authority {
                Some(authority) => page.field("authority", authority),
                None => page.field(
                    "authority",
                    "none that you pinned: nothing here vouches for this certificate. Its key opens old mails all the same",
                ),
            };
        }
        for note in &self.notes {
            page.warning(&format!("  {note}"));
        }
        page.line("Next:");
        for line in &self.next {
            page.line(format!("  {line}"));
        }
    }
}

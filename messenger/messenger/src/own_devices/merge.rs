//! How what one device gives is taken into what another one has. Nothing that was decided here is lost: a name, a group or a
//! setting of one's own here stays; what was never decided here comes from there. Whom either blocks is blocked; of two times
//! at which somebody was seen the later one counts, and a device of hers counts as met or compared where it was on either.

use identity::Identifier;
use messenger_engine::{Audience, Command, PresenceSettings};
use serde::{Deserialize, Serialize};

use super::package::{Decided, MAX_CONTACTS, MAX_NAMED, Package, PackageError, at_most};
use crate::contacts::about::About;
use crate::settings::Notify;

/// What taking it in changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// Who is a contact afterwards and was none.
    pub(crate) new: Vec<Identifier>,
    /// About whom more is kept afterwards: a name, a group, an alert, a device.
    pub(crate) more: Vec<Identifier>,
    pub(crate) blocked: Vec<Identifier>,
    pub(crate) ask_first: Vec<Identifier>,
    /// Which settings are as they are there afterwards.
    pub(crate) settings: Vec<String>,
    /// Who is known by another authority there; that stays as it is here.
    pub(crate) other_authority: Vec<Identifier>,
    /// Whether the other device says of this one that it is its person's.
    pub(crate) endorsed: bool,
}

impl Summary {
    /// Whether nothing would be otherwise.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self { new, more, blocked, ask_first, settings, endorsed, other_authority: _ } = self;
        let lists = [new, more, blocked, ask_first];
        lists.iter().all(|list| list.is_empty()) && settings.is_empty() && !endorsed
    }
}

/// What is kept afterwards, and what differs. `me` is no contact.
///
/// # Errors
/// Both together are more than an engine takes.
pub(super) fn merged(
    mut here: Decided,
    package: &Package,
    me: &Identifier,
) -> Result<(Decided, Summary), PackageError> {
    let mut summary = Summary { endorsed: package.endorsement.is_some(), ..Summary::default() };
    for (who, theirs) in package.contacts.iter().filter(|(who, _)| *who != me) {
        let known = here.contacts.get(who);
        let after = known.cloned().unwrap_or_default().joined(theirs.clone());
        match known {
            None => summary.new.push(who.clone()),
            // When somebody was seen is nothing to ask about.
            Some(known) if (About { seen: None, ..known.clone() }) != (About { seen: None, ..after.clone() }) => {
                summary.more.push(who.clone());
            }
            Some(_) => {}
        }
        here.contacts.insert(who.clone(), after);
    }
    for (who, binding) in package.bindings.iter().filter(|(who, _)| package.contacts.contains_key(*who) && *who != me) {
        match here.bindings.get(who) {
            Some(known) if known.root != binding.root => summary.other_authority.push(who.clone()),
            Some(_) => {}
            None => here.bindings.take_over(who, binding),
        }
    }
    let PresenceSettings { blocked, ask_first, .. } = &mut here.presence;
    for (mine, theirs, new) in
        [(blocked, &package.blocked, &mut summary.blocked), (ask_first, &package.ask_first, &mut summary.ask_first)]
    {
        for who in theirs.iter().filter(|who| *who != me) {
            if mine.insert(who.clone()) {
                new.push(who.clone());
            }
        }
    }
    settle(&mut here, package, &mut summary.settings);
    at_most(MAX_CONTACTS, "contacts, with those here", here.contacts.len())?;
    at_most(MAX_NAMED, "blocked people, with those here", here.presence.blocked.len())?;
    at_most(MAX_NAMED, "people who are asked about first, with those here", here.presence.ask_first.len())?;
    Ok((here, summary))
}

/// Takes over what was never decided here.
fn settle(here: &mut Decided, package: &Package, changed: &mut Vec<String>) {
    fn take<T: Clone + PartialEq>(name: &str, mine: &mut T, unset: T, theirs: Option<&T>, changed: &mut Vec<String>) {
        if let Some(theirs) = theirs.filter(|theirs| *mine == unset && **theirs != unset) {
            mine.clone_from(theirs);
            changed.push(name.to_owned());
        }
    }
    let unset = PresenceSettings::default();
    let (presence, settings) = (&mut here.presence, &mut here.settings);
    take("visible_to", &mut presence.visible_to, unset.visible_to, package.visible_to.as_ref(), changed);
    take("may_knock", &mut presence.may_knock, unset.may_knock, package.may_knock.as_ref(), changed);
    take("typing", &mut presence.typing, unset.typing, package.typing.as_ref(), changed);
    take("read_receipts", &mut presence.read_receipts, unset.read_receipts, package.read_receipts.as_ref(), changed);
    take("notify", &mut settings.notify, Notify::default(), package.notify.as_ref(), changed);
    let lock = package.lock_after_minutes.map(Some);
    take("lock_after_minutes", &mut settings.lock_after_minutes, None, lock.as_ref(), changed);
}

/// What a running engine has to be told, so that it appears as is decided afterwards.
pub(super) fn to_tell(after: &Decided, summary: &Summary) -> Vec<Command> {
    let changed = |name: &str| summary.settings.iter().any(|changed| changed == name);
    let audience = |name, audience: &Audience| changed(name).then(|| audience.clone());
    let presence = &after.presence;
    // Whom she blocks first: nobody sees her in between.
    let mut commands: Vec<Command> =
        summary.blocked.iter().map(|who| Command::Block { who: who.to_string() }).collect();
    commands.extend(summary.ask_first.iter().map(|who| Command::AskFirst { who: who.to_string(), ask: true }));
    let (visible_to, may_knock) =
        (audience("visible_to", &presence.visible_to), audience("may_knock", &presence.may_knock));
    if visible_to.is_some() || may_knock.is_some() {
        commands.push(Command::SetAudience { visible_to, may_knock });
    }
    let (typing, read_receipts) =
        (changed("typing").then_some(presence.typing), changed("read_receipts").then_some(presence.read_receipts));
    if typing.is_some() || read_receipts.is_some() {
        commands.push(Command::SetSignals { typing, read_receipts });
    }
    commands.extend(summary.new.iter().map(|who| Command::AddContact { who: who.to_string() }));
    commands
}

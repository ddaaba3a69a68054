//! Proving control of an identifier and nothing more: for the watch at an authority that certified somebody else, one
//! hopes not in one's name.

use std::sync::Arc;

use identity::{Identifier, UnixTime};

use super::{Conversation, EnrolError, Step, choose_authority, order, profile};
use crate::acme::AcmeClient;
use crate::https::https_client;
use crate::{AccountKey, DeviceKey, Home, Watching};

/// Proves to the authority called `authority` (its name or address) that `identifier` is whose device this is, by an order that is never
/// finalized: no certificate is made. The account that has proven it is kept, for [`watch_once`](crate::watch::watch_once).
///
/// One that was interrupted goes on where it stopped. If control is proven already, nothing is asked.
pub async fn prove_control(
    home: &Home,
    identifier: &Identifier,
    authority: &str,
    now: UnixTime,
    owner: &mut dyn Conversation,
) -> Result<Watching, EnrolError> {
    let choice = choose_authority(&home.trust_policies()?, identifier, Some(authority))?;
    let mut watching = match home.watching_at(identifier, &choice.acme)? {
        Some(watching) => watching,
        None => Watching {
            identifier: identifier.clone(),
            authority: choice.authority.clone(),
            acme: choice.acme.clone(),
            account: AccountKey::generate()?,
            pending_order: None,
        },
    };
    home.store_watching(&watching)?;
    let trust = Arc::new(home.trust_at(now)?);
    owner.step(Step::Asking { authority: choice.authority, url: choice.acme.clone() });
    let mut client = AcmeClient::join(https_client(trust), &choice.acme, watching.account.clone(), owner).await?;
    let open = watching.pending_order.clone();
    let mut remember = |order: Option<&str>| {
        watching.pending_order = order.map(str::to_owned);
        home.store_watching(&watching)
    };
    let asked = order::Asked { identifier, profile: profile::<DeviceKey>(identifier)?, replaces: None };
    asked.prove_only(&mut client, open, &mut remember, owner).await?;
    Ok(watching)
}

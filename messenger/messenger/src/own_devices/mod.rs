//! One's own other devices: which of them are known to be one's own, and what goes from one to another of what a person
//! has decided: contacts with their names and groups and how far they are known, whom she blocks, who may see her.
//!
//! It goes over the connection between the two, as a file with a kind of its own (docs/spec/peer.md, "One's own devices"): no
//! server holds it. It goes only to, and is taken only from, a device that this one [knows](known): whose code the person compared;
//! or of which one of the two, or a third one whose code she compared, has said that it is hers; or which was added by an
//! [invitation](adding). A certificate in one's own name is not enough: it may be one that should
//! never have been issued.

mod adding;
mod before;
pub(crate) mod code;
pub(crate) mod commands;
mod desk;
mod error;
mod folder;
mod gifts;
mod hers;
pub(crate) mod invitation;
mod known;
mod merge;
mod note;
mod package;
#[cfg(test)]
mod tests;

pub(crate) use desk::{Desk, Step};
pub(crate) use invitation::SecretLink;
pub(crate) use note::{Note, Wish};

use std::sync::Arc;

use device::Home;
use identity::UnixTime;
use identity::endorsement::Endorsement;
use identity::tls::device_fingerprint;
use identity::trust::{Fingerprint, Trust};
use identity::verify::verify_person;

/// The kind of file under which it goes (RFC 6838 section 3.4: not registered).
pub(crate) const MEDIA_TYPE: &str = "application/x.inperson.device+json";

/// What this device says of another one, or why it says nothing.
pub(crate) type Endorse = Arc<dyn Fn(Fingerprint) -> Result<Endorsement, String> + Send + Sync>;

/// Says of other devices that they are its person's, with the certificate that this one has by then.
pub(crate) fn endorser(home: Home, trust: Arc<Trust>, device: device::Device) -> Endorse {
    Arc::new(move |of| {
        let now = UnixTime::now();
        let folder = home.locked_device(&device.identifier).map_err(|error| error.to_string())?;
        let device = device.now(folder).ok_or("this device has another key by now")?;
        let person = verify_person(&device.chain, &trust, now).map_err(|error| error.to_string())?;
        Endorsement::sign(&person, of, &device.key).map_err(|error| error.to_string())
    })
}

/// The devices that have said of this one that it is its person's.
fn endorsers(endorsements: &[Endorsement]) -> Vec<Fingerprint> {
    // What is kept was verified when it was taken.
    endorsements.iter().filter_map(Endorsement::endorser_key).map(|key| device_fingerprint(&key)).collect()
}

//! What one device gives another, and takes from it: the person's decisions, as a package in a file.

use std::path::PathBuf;

use identity::trust::Fingerprint;
use messenger_engine::{Command, TransferId, TransferState};

use super::desk::{Desk, Step, ephemeral, transfer, wrong};
use super::package::Package;
use super::{MEDIA_TYPE, Note, folder};

/// What is on its way to another device.
pub(super) struct Giving {
    device: Fingerprint,
    path: PathBuf,
    /// Whether the engine has taken it up.
    begun: bool,
}

/// What another device has given.
pub(super) struct Given {
    device: Fingerprint,
    package: Package,
    /// Whether the files were laid aside for it: a part of it may have been taken in.
    laid_aside: bool,
}

impl Desk {
    pub(super) fn give(&mut self) -> Vec<Step> {
        self.hers.look_again();
        let Some(device) = self.hers.last_known() else {
            let remedy = "call it, compare the code, and type it on both: /devices, then /devices CODE";
            return vec![Step::Wrong(wrong("no device that is known to be yours is connected", remedy))];
        };
        self.give_to(device)
    }

    /// Gives it to this one.
    pub(super) fn give_to(&mut self, device: Fingerprint) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![Step::Wrong(ephemeral())] };
        // What the engine never took up it refused: of that nothing stays.
        for (transfer, refused) in self.giving.extract_if(.., |_, giving| !giving.begun) {
            let _ = std::fs::remove_file(refused.path);
            self.quiet.insert(transfer);
        }
        let transfer = transfer();
        // A device that this one cannot speak for now is given the rest all the same.
        let endorsement = (self.endorse)(device);
        let unendorsed = endorsement.as_ref().err().map(|error| {
            Step::Wrong(wrong(format!("your other device is not endorsed: {error}"), "certtool endorse, here"))
        });
        let written = folder::decided(book)
            .map(|decided| Package::of(decided, endorsement.as_ref().ok()))
            .and_then(|package| folder::write(book.home(), &format!("{transfer}.json"), &package));
        match written {
            Ok(path) => {
                let offer = self.offer(transfer, &path, device, MEDIA_TYPE);
                self.giving.insert(transfer, Giving { device, path, begun: false });
                unendorsed.into_iter().chain([Step::Engine(offer)]).collect()
            }
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the file or the folder, and try again"))],
        }
    }

    /// Something is offered that may be taken in. It is fetched to see what it would change; that is then for her to say.
    pub(super) fn offered(&mut self, transfer: TransferId, device: Fingerprint, too_large: bool) -> Vec<Step> {
        self.hers.look_again();
        if !self.hers.is_known(device) {
            let what = "a device in your name wanted to give you contacts, and was refused: its code was not compared";
            let remedy = "if it is yours, compare the code, type it on both (/devices CODE), and give it again";
            return self.refuse(transfer, "the code was not compared there yet", Some(wrong(what, remedy)));
        }
        if too_large {
            return self.refuse(transfer, "that is no list of contacts", None);
        }
        if self.given.is_some() || !self.taking.is_empty() {
            let what = "your other device gives something more, and was refused: what it gave before waits for you";
            let problem = wrong(what, "/devices take, or /devices leave");
            return self.refuse(transfer, "what was given before waits there", Some(problem));
        }
        let Some(book) = &self.book else {
            return self.refuse(transfer, "nothing is written there", Some(ephemeral()));
        };
        match folder::moving(book.home()) {
            Ok(into) => {
                self.taking.insert(transfer, device);
                vec![Step::Engine(Command::FileAccept { transfer, into: into.display().to_string() })]
            }
            Err(error) => {
                self.refuse(transfer, "it could not be taken there", Some(wrong(error.to_string(), "mend the folder")))
            }
        }
    }

    pub(super) fn moved(
        &mut self,
        transfer: TransferId,
        state: TransferState,
        reason: Option<&str>,
        path: Option<&str>,
    ) -> Vec<Step> {
        if let Some(steps) = self.claim_moved(transfer, state, reason, path) {
            return steps;
        }
        if let Some(giving) = self.giving.get_mut(&transfer) {
            giving.begun = true;
        }
        if !state.is_over() || self.quiet.remove(&transfer) {
            return Vec::new();
        }
        let failed = |what: &str| {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![Step::Wrong(wrong(format!("{what}{reason}"), "connect the two again (/devices), and try once more"))]
        };
        if let Some(Giving { device, path, .. }) = self.giving.remove(&transfer) {
            // It has a copy of what stands in other files; if it cannot be removed now, the next start does it.
            let _ = std::fs::remove_file(path);
            return match state {
                TransferState::Done => vec![Step::Tell(Note::DeviceGiven { device })],
                _ => failed("your other device has not taken it"),
            };
        }
        let Some(device) = self.taking.remove(&transfer) else { return Vec::new() };
        let (TransferState::Done, Some(path), Some(book)) = (state, path, &self.book) else {
            return failed("it did not arrive from your other device");
        };
        let read =
            folder::read(path.as_ref()).and_then(|package| Ok((folder::preview(book, &package, &self.me)?, package)));
        match read {
            Ok((mut summary, package)) => {
                summary.endorsed &= !self.hers.endorsers.contains(&device);
                self.given = Some(Given { device, package, laid_aside: false });
                if self.is_awaited(device) {
                    return self.take();
                }
                vec![Step::Tell(Note::DeviceOffers { device, summary })]
            }
            Err(error) => {
                vec![Step::Wrong(wrong(error.to_string(), "the same release of the messenger on both devices"))]
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![Step::Wrong(ephemeral())] };
        let Some(mut given) = self.given.take() else {
            return vec![Step::Wrong(wrong("no other device has given anything", "/devices give, on the other one"))];
        };
        let device = given.device;
        match folder::take(book, &self.trust, given.package.clone(), &self.me, &mut given.laid_aside) {
            Ok(folder::Taken { mut summary, commands, unendorsed }) => {
                summary.endorsed &= !self.hers.endorsers.contains(&device);
                if summary.endorsed {
                    self.hers.endorsers.push(device);
                }
                let unendorsed = unendorsed.map(|error| {
                    let what = format!("its word that this device is yours does not count: {error}");
                    Step::Wrong(wrong(what, "certtool endorse there, certtool endorse --accept here"))
                });
                let commands = commands.into_iter().map(Step::Engine);
                commands.chain([Step::Tell(Note::DeviceTaken { device, summary })]).chain(unendorsed).collect()
            }
            Err(error) => {
                // Part of it may be there; once more does it all.
                self.given = Some(given);
                let remedy = "mend that and take it once more; or leave it, and `messenger devices undo --yes`";
                vec![Step::Wrong(wrong(error.to_string(), remedy))]
            }
        }
    }
}

//! A second home server, and somebody who belongs to that one: two people who are found in two directories.

use std::path::Path;

use identity::trust::TrustPolicy;
use story::homeserver::Homeserver;
use story::person::Person;
use story::{Context, Failure};

use crate::world::OTHER_SERVER_NAME;

/// The port of its directory.
const DIRECTORY_PORT: &str = "8544";
/// The mail domains of the two.
const HOME: &str = "example.org";
const ABROAD: &str = "example.net";

/// The other home server, and who belongs there.
#[derive(Debug)]
pub struct Abroad {
    _server: Homeserver,
    /// Who is called there.
    pub bob: Person,
    /// The contact cards of alice and of this bob, by which they are found.
    pub cards: [String; 2],
}

impl Abroad {
    /// Founds it where the first one runs, enrols somebody, and has each server take in the other one's people. Also the first
    /// one, which was started anew for that.
    ///
    /// # Errors
    /// One of the programs does not do what it should.
    pub fn found(
        folder: &Path,
        wrapper: [&str; 4],
        home: Homeserver,
        alice: &Person,
    ) -> Result<(Homeserver, Self), Failure> {
        let (near, far) = (home.folder().to_path_buf(), folder.join("other-server"));
        let start = |folder: &Path, options: &[&str]| {
            let wrapper: Vec<String> = wrapper.map(str::to_owned).to_vec();
            Homeserver::start_with(folder, Homeserver::command_under(&wrapper, folder, options)?)
        };
        let options = ["--domain", OTHER_SERVER_NAME, "--permit-domain", ABROAD, "--listen", "::"];
        let ports = ["--directory-port", DIRECTORY_PORT, "--https-port", "8543"];
        start(&far, &[&options[..], &ports[..]].concat())?.stop()?;
        home.stop()?;
        takes_in(&near, &far, ABROAD)?;
        takes_in(&far, &near, HOME)?;
        let (home, server) = (start(&near, &[])?, start(&far, &[])?);
        let bob = Person::new(&folder.join("abroad"), "bob@example.net");
        bob.under(&wrapper).join(server.ready(), &server.outbox())?;
        bob.under(&wrapper).trust(home.ready())?;
        alice.under(&wrapper).trust(server.ready())?;
        let card = |person: &Person| {
            let made = person.under(&wrapper).certtool_json(&["card"])?;
            made["link"].as_str().map(str::to_owned).context("reading a contact card")
        };
        let cards = [card(alice)?, card(&bob)?];
        Ok((home, Self { _server: server, bob, cards }))
    }
}

/// The server in this folder takes in people of that domain, as the other one certifies them.
fn takes_in(folder: &Path, other: &Path, domain: &str) -> Result<(), Failure> {
    let policy = std::fs::read(other.join("policy.json")).context("reading a trust policy")?;
    let fingerprint = TrustPolicy::parse(&policy).context("reading a trust policy")?.fingerprint();
    std::fs::write(folder.join("other.json"), policy).context("writing a trust policy")?;
    let settings = folder.join("homeserver.toml");
    let text = std::fs::read_to_string(&settings).context("reading the settings")?;
    let foreign =
        format!("\n[[foreign]]\npolicy = \"other.json\"\nfingerprint = \"{fingerprint}\"\ndomains = [\"{domain}\"]\n");
    std::fs::write(&settings, text + &foreign).context("writing the settings")
}

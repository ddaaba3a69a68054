//! Certificates of components: clients that are parts of an authority.

use identity::transparency::VrfProof;

use crate::case::{Case, component, service};
use crate::der::{self, octets};
use crate::draft::{EXT_KEY_USAGE, POLICIES, SUBJECT_KEY_ID};
use crate::house::{CLIENT_AUTH, DAY, Key, NOON, SERVER_AUTH, SERVICE, policies, purposes};
use crate::vector::Kind;

pub(super) fn cases() -> Vec<Case> {
    vec![
        component("good-component", "A component by its DNS name; no trust policy names it."),
        component("good-component-elsewhere", "A component at any name that was asked for.").name("ca2.example.com"),
        component("chain-08-component-taken-for-service", "A component is no service.")
            .taken_for(Kind::Service, Some("ca.example.org")),
        service("chain-08-service-taken-for-component", "A service is no component.")
            .taken_for(Kind::Component, Some("directory.example.org")),
        component("prof-01-component-of-a-service", "A component with the policy of services.")
            .set(POLICIES, policies(&[SERVICE])),
        component("prof-02-component-ed25519", "Components have P-256 keys.")
            .draft(|draft| draft.spki = Key::ed25519("component").spki())
            .set(SUBJECT_KEY_ID, octets(&Key::ed25519("component").id())),
        component("prof-03-component-too-long", "A component's certificate of 31 days.")
            .draft(|draft| draft.not_after = der::time(NOON + 31 * DAY - 1)),
        component("prof-05-component-server-auth-too", "A component that would be a server, too.")
            .set(EXT_KEY_USAGE, purposes(&[CLIENT_AUTH, SERVER_AUTH])),
        component("san-03-another-component", "Another component was asked for.").asked("log.example.org"),
        component("slot-01-component-with-label", "A component's certificate with a VRF proof.")
            .proof(|proof| proof.vrf_proof = Some(VrfProof::from_bytes([0; 80]))),
        component("log-06-another-component", "The entry is of another name.")
            .logged(|l| l.identifier = "cb.example.org".to_owned()),
    ]
}

//! A certificate or revocation list in parts, any of which a case can spoil before it is signed.

use super::der::{self, around, octets, oid, seq};

pub(crate) const AUTHORITY_KEY_ID: &str = "2.5.29.35";
pub(crate) const SUBJECT_KEY_ID: &str = "2.5.29.14";
pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const POLICIES: &str = "2.5.29.32";
pub(crate) const POLICY_MAPPINGS: &str = "2.5.29.33";
pub(crate) const SUBJECT_ALT_NAME: &str = "2.5.29.17";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const NAME_CONSTRAINTS: &str = "2.5.29.30";
pub(crate) const EXT_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const CRL_POINTS: &str = "2.5.29.31";
pub(crate) const CRL_NUMBER: &str = "2.5.29.20";
pub(crate) const CRL_PLACE: &str = "2.5.29.28";
pub(crate) const DELTA_CRL: &str = "2.5.29.27";
pub(crate) const ISSUER_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
pub(crate) const TRANSPARENCY: &str = "1.3.6.1.4.1.32473.1.1";
pub(crate) const UNKNOWN: &str = "1.3.6.1.4.1.32473.99";

#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) oid: &'static str,
    /// `Some(false)` writes the default, which DER leaves out.
    pub(crate) critical: Option<bool>,
    pub(crate) value: Vec<u8>,
}

impl Extension {
    pub(crate) fn new(oid: &'static str, value: Vec<u8>) -> Self {
        Self { oid, critical: None, value }
    }

    pub(crate) fn critical(oid: &'static str, value: Vec<u8>) -> Self {
        Self { oid, critical: Some(true), value }
    }

    fn encode(&self) -> Vec<u8> {
        let critical = self.critical.map(|critical| der::tlv(der::BOOLEAN, &[if critical { 0xff } else { 0 }]));
        seq([oid(self.oid), critical.unwrap_or_default(), octets(&self.value)])
    }
}

/// The extensions as certificates have them, with tag 3, and revocation lists, with tag 0.
fn extensions(tag: u8, list: &[Extension]) -> Vec<u8> {
    if list.is_empty() { Vec::new() } else { around(tag, [seq(list.iter().map(Extension::encode))]) }
}

/// A TBSCertificate. Each field is its DER.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    /// issuerUniqueID, subjectUniqueID: nothing.
    pub(crate) unique_ids: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
    /// The algorithm outside, where it is another.
    pub(crate) outer_algorithm: Option<Vec<u8>>,
}

impl Draft {
    pub(crate) fn tbs(&self) -> Vec<u8> {
        seq([
            self.version.clone(),
            self.serial.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            seq([self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.spki.clone(),
            self.unique_ids.clone(),
            extensions(0xa3, &self.extensions),
        ])
    }

    /// The certificate with what `sign` makes of the signed part.
    pub(crate) fn signed(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let tbs = self.tbs();
        let signature = der::bits(0, &sign(&tbs));
        seq([tbs, self.outer_algorithm.clone().unwrap_or_else(|| self.algorithm.clone()), signature])
    }

    pub(crate) fn extension(&mut self, oid: &str) -> &mut Extension {
        self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap()
    }

    pub(crate) fn set(&mut self, oid: &str, value: Vec<u8>) {
        self.extension(oid).value = value;
    }

    pub(crate) fn drop(&mut self, oid: &str) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    pub(crate) fn add(&mut self, extension: Extension) {
        self.extensions.push(extension);
    }
}

/// A TBSCertList. Each field is its DER.
#[derive(Clone)]
pub(crate) struct ListDraft {
    pub(crate) version: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: Vec<u8>,
    pub(crate) next_update: Vec<u8>,
    pub(crate) revoked: Vec<Vec<u8>>,
    pub(crate) extensions: Vec<Extension>,
}

impl ListDraft {
    pub(crate) fn signed(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let revoked = if self.revoked.is_empty() { Vec::new() } else { seq(self.revoked.iter().cloned()) };
        let tbs = seq([
            self.version.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            self.this_update.clone(),
            self.next_update.clone(),
            revoked,
            extensions(0xa0, &self.extensions),
        ]);
        let signature = der::bits(0, &sign(&tbs));
        seq([tbs, self.algorithm.clone(), signature])
    }

    pub(crate) fn drop(&mut self, oid: &str) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    /// The list of the certificates that name this address (RFC 5280 section 5.2.5).
    pub(crate) fn at(&mut self, place: &str) {
        let place = seq([around(0xa0, [around(0xa0, [der::tlv(0x86, place.as_bytes())])])]);
        self.extensions.push(Extension::critical(CRL_PLACE, place));
    }
}

//! Why an enrolment or a renewal did not succeed.

use identity::Identifier;
use identity::verify::VerifyError;

use super::{ChooseError, CodeShape, LoginError};
use crate::acme::AcmeError;
use crate::{HomeError, KeyError};

/// Why an enrolment or a renewal did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No authority is there, or more than one.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The authority could not be reached, refused, or does not speak the protocol.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// The authority could not send the code; the order stays open.
    #[error("the code could not be sent: {reason}")]
    NotSent {
        /// What the authority said.
        reason: String,
    },
    /// Control has to be proven anew, and nobody is there to do it; the order stays open.
    #[error("the authority wants a new proof that the address is yours")]
    Unattended,
    /// The person gave no code; the order stays open.
    #[error("no code from the newest message was given")]
    NoCode,
    /// The last code that was given is a wrong one, and no other was given; the order stays open.
    #[error("the code that was given is not that of the newest message{}", left(*.tries_left))]
    CodeWrong {
        /// How many tries are left, where the authority says so.
        tries_left: Option<u32>,
    },
    /// What was given cannot be a code. It was not handed in: no try is spent and the order stays open.
    #[error("expected a code of {expected}, found {found}; no try was spent")]
    CodeMisshapen {
        /// What codes look like here.
        expected: CodeShape,
        /// What was found, without the text itself.
        found: String,
    },
    /// The code was wrong too often or too old; a new one has to be sent.
    #[error("the code can no longer be used: {reason}")]
    CodeSpent {
        /// What the authority said.
        reason: String,
    },
    /// The person did not give the subject of the mail; the order stays open.
    #[error("the subject of the mail was not given")]
    NoSubject,
    /// What was given cannot be the subject.
    #[error("expected the subject of the mail, ACME: and 22 or more letters and digits, found {found}")]
    SubjectMisshapen {
        /// What was found, without the text itself.
        found: String,
    },
    /// No reply arrived; the order stays open.
    #[error("no reply has arrived after {seconds} s; the order stays open")]
    NoReply {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The order came to nothing.
    #[error("the order became invalid: {reason}")]
    Invalid {
        /// What the authority said.
        reason: String,
    },
    /// There is no token of an issuer of OpenID; the order stays open.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The authority does not believe the token; the order stays open.
    #[error("the authority does not take the log-in for a proof: {reason}")]
    TokenRefused {
        /// What the authority said.
        reason: String,
    },
    /// The authority offers no way to prove control that this program knows.
    #[error("expected one of the challenges {expected}, found {found}")]
    NoChallenge {
        /// Kinds this program knows.
        expected: &'static str,
        /// Kinds the authority offered.
        found: String,
    },
    /// Whom she wants to log in at does not vouch for this address.
    #[error("expected one of the issuers that vouch for this address here ({offered}), found {asked}")]
    NoIssuer {
        /// Who does.
        offered: String,
        /// Whom she named.
        asked: String,
    },
    /// This device's certificate is revoked; those of the same key from before may not be.
    #[error("the certificate is revoked, but not {}: {source}", earlier(serials))]
    EarlierLeft {
        /// Their serial numbers, hex; none if it could not be learnt which there are.
        serials: Vec<String>,
        /// What the first of them met with.
        source: Box<EnrolError>,
    },
    /// The certificate is revoked, by its owner, or so that its key gets no other without a new proof.
    #[error("the certificate {}of {identifier} on this device is revoked, and its key is not certified again", kind(*.for_mail))]
    Revoked {
        /// Whose it is.
        identifier: Identifier,
        /// Whether it is the one for mail.
        for_mail: bool,
    },
    /// The certificate did not come in time; the order stays open.
    #[error("the certificate is not ready after {seconds} s; the order stays open")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// A certificate for mail is for a mail address.
    #[error("a certificate for mail names a mail address, and {identifier} is none")]
    NoMail {
        /// What was given.
        identifier: Identifier,
    },
    /// What came is no certificate.
    #[error("expected a certificate chain in PEM, found {found}")]
    NoCertificate {
        /// What came.
        found: String,
    },
    /// The verifier refused the certificate.
    #[error("the authority made a certificate that must not be accepted: {0}")]
    Refused(#[from] VerifyError),
    /// The certificate is for somebody or something else.
    #[error("the authority made a certificate for another {what}: expected {expected}, found {found}")]
    Mismatch {
        /// Person, key or authority.
        what: &'static str,
        /// As ordered.
        expected: String,
        /// As issued.
        found: String,
    },
}

fn earlier(serials: &[String]) -> String {
    match serials {
        [] => "what there is of the same key from before".into(),
        some => format!("{} of the same key", some.join(", ")),
    }
}

const fn kind(for_mail: bool) -> &'static str {
    if for_mail { "for mail " } else { "" }
}

fn left(tries: Option<u32>) -> String {
    tries.map_or_else(String::new, |tries| format!("; tries left: {tries}"))
}

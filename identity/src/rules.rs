//! The numbered rules of verification, as `policies/rules.md` explains them.
//!
//! Every refusal names one of them. A test compares this list, the policy's prose and the tests, so that no rule exists
//! in one place only.

use std::fmt;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal),+ $(,)?) => {
        /// One rule that a chain, a certificate or a revocation list must keep.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule { $($(#[doc = $doc])+ $name),+ }

        impl Rule {
            /// Every rule, in the order in which they are checked.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number by which prose, code, tests and messages call it, like `CHAIN-03`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }
        }
    };
}

rules! {
    /// A chain has one to six certificates of at most 16 KiB each.
    ChainSize = "CHAIN-01",
    /// The leaf is an X.509 v3 certificate in strict DER, and nothing else.
    ChainEncoding = "CHAIN-02",
    /// Inner and outer signature algorithm are the same, and one we allow.
    ChainAlgorithm = "CHAIN-03",
    /// A path leads to the root of an authority in the trust policy.
    ChainPath = "CHAIN-04",
    /// Every signature on the path is right.
    ChainSignature = "CHAIN-05",
    /// No certificate on the path begins after now.
    ChainNotYetValid = "CHAIN-06",
    /// No certificate on the path has ended before now.
    ChainExpired = "CHAIN-07",
    /// Every certificate on the path allows the purpose.
    ChainPurpose = "CHAIN-08",
    /// Basic constraints, path length, key usage, name constraints and critical extensions of the path are in order.
    ChainConstraints = "CHAIN-09",
    /// The certificate's policy is one that every certificate on the path may issue under.
    ChainPolicies = "CHAIN-10",
    /// Exactly one certificate policy, of a profile that fits the use.
    ProfilePolicy = "PROF-01",
    /// The key is of an algorithm that the profile allows.
    ProfileKey = "PROF-02",
    /// The lifetime is within the profile.
    ProfileLifetime = "PROF-03",
    /// The key usage is exactly the profile's.
    ProfileKeyUsage = "PROF-04",
    /// The extended key usage is exactly the profile's.
    ProfilePurpose = "PROF-05",
    /// The extensions are the profile's, each once, with the right criticality.
    ProfileExtensions = "PROF-06",
    /// The subject is the identifier as common name, or empty where it is too long.
    ProfileSubject = "PROF-07",
    /// Subject and authority key identifier are those of the key and its issuer.
    ProfileKeyIds = "PROF-08",
    /// One HTTP address of a revocation list.
    ProfileCrl = "PROF-09",
    /// The serial number is positive, with 8 to 20 octets.
    ProfileSerial = "PROF-10",
    /// Exactly one name, of the form the profile asks for.
    SanOne = "SAN-01",
    /// The name is in its canonical spelling.
    SanCanonical = "SAN-02",
    /// A service's name is the one that was asked for.
    SanService = "SAN-03",
    /// The authority may certify this kind of identifier.
    TrustKind = "TRUST-01",
    /// The authority may certify addresses of this domain.
    TrustDomain = "TRUST-02",
    /// The authority may certify numbers with this prefix.
    TrustPrefix = "TRUST-03",
    /// A service is one that the authority's own trust policy names, or a mail domain that it lists for this authority.
    TrustService = "TRUST-12",
    /// The transparency extension stands in the certificate once, not critical.
    LogPresent = "LOG-01",
    /// The transparency extension is in strict DER and within its bounds.
    LogEncoding = "LOG-02",
    /// The proof is from the log of the certificate's authority.
    LogOrigin = "LOG-03",
    /// A person's proof carries a VRF proof; a service's carries none.
    SlotProof = "SLOT-01",
    /// The slot is below 32; a service's is 0.
    SlotRange = "SLOT-02",
    /// The period is that of the certificate's beginning.
    SlotPeriod = "SLOT-03",
    /// The VRF proof is right for identifier, period and slot under the authority's key.
    SlotVrf = "SLOT-04",
    /// Leaf index, tree size and inclusion path fit each other.
    LogPath = "LOG-04",
    /// The log's signature is by a key of the policy.
    LogKey = "LOG-05",
    /// Commitment and path lead to the root that the log signed.
    LogSignature = "LOG-06",
    /// Every cosignature that claims to be of a known witness is right.
    WitnessSignature = "WIT-01",
    /// Witnesses enough for the policy's quorum have cosigned.
    WitnessQuorum = "WIT-02",
    /// They did so between five minutes before and a day after the certificate's beginning.
    WitnessTime = "WIT-03",
    /// The log was in use, by its window in the trust policy, when the certificate was logged.
    TrustLogWindow = "TRUST-04",
    /// Cosignatures count within the windows of their witnesses only.
    TrustWitnessWindow = "TRUST-05",
    /// The certificate stands in no revocation list.
    RevocationRevoked = "REV-01",
    /// The revocation list of its issuer, once known, is not older than seven days.
    RevocationFresh = "REV-02",
    /// A revocation list is a v2 list in strict DER of at most 4 MiB.
    RevocationEncoding = "REV-03",
    /// A revocation list is by an issuing certificate of the trust policy, which signed it.
    RevocationIssuer = "REV-04",
    /// A revocation list is neither from the future nor older than the one already known.
    RevocationOrder = "REV-05",
    /// A partitioned list names one place and nothing else, and speaks for certificates that name the same place.
    RevocationPlace = "REV-06",
    /// A person stays with the authority by which she was first known, until another is confirmed.
    TrustBinding = "TRUST-06",
    /// An update of a trust policy is a canonical document of at most 1 MiB that holds a policy in order.
    UpdateForm = "TRUST-07",
    /// Its number is exactly one more than that of the version it replaces.
    UpdateNumber = "TRUST-08",
    /// It names the version it replaces by its fingerprint.
    UpdatePrevious = "TRUST-09",
    /// It is signed by the root of the first authority of the version it replaces.
    UpdateSignature = "TRUST-10",
    /// It stands in a log of the version it replaces, cosigned by its quorum.
    UpdateLogged = "TRUST-11",
    /// What dates a signature is a tlog-proof with version, label and opening.
    DateForm = "DATE-01",
    /// The signature's entry stands in a log of the trust policy, cosigned by its quorum, all in their windows.
    DateLogged = "DATE-02",
    /// The date of a signature lies in the life of the certificate.
    DateLife = "DATE-03",
    /// The certificate was not revoked when the signature was dated.
    DateRevoked = "DATE-04",
}

impl Rule {
    /// Whether it is about the date of a signature.
    pub const fn is_about_dates(self) -> bool {
        matches!(self, Self::DateForm | Self::DateLogged | Self::DateLife | Self::DateRevoked)
    }

    /// Whether it is about updates of a trust policy, and not about a certificate or a list.
    pub const fn is_about_updates(self) -> bool {
        use Rule::{UpdateForm, UpdateLogged, UpdateNumber, UpdatePrevious, UpdateSignature};
        matches!(self, UpdateForm | UpdateNumber | UpdatePrevious | UpdateSignature | UpdateLogged)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

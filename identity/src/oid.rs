//! Object identifiers: ours, and the few standard ones that have no name in `const-oid`.
//!
//! All of ours stand under [`ARC`], the private enterprise number that RFC 5612 reserves for examples, until a number
//! of our own is registered; then this one constant changes, and verifiers accept both for a while.

use const_oid::ObjectIdentifier;

/// The arc of everything In Person defines: `1.3.6.1.4.1.32473` (RFC 5612 section 2).
pub const ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473");

/// The certificate extension that carries the transparency proof.
pub const TRANSPARENCY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1.1");

/// `id-kp-livePerson`: the key speaks for a person in live conversation. Required at both ends of a personal connection.
pub const LIVE_PERSON: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.2.1");

/// Certificate policy of the `device` profile.
pub const POLICY_DEVICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.3.1");
/// Certificate policy of the `phone-device` profile.
pub const POLICY_PHONE_DEVICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.3.2");
/// Certificate policy of the `mail` profile.
pub const POLICY_MAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.3.3");
/// Certificate policy of the `service` profile.
pub const POLICY_SERVICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.3.4");
/// Certificate policy of the `component` profile.
pub const POLICY_COMPONENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.3.5");

/// The unsigned attribute of a message (CMS) that carries the date of its signature (`docs/spec/log.md`).
pub const SIGNATURE_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.4.1");

/// `id-on-SmtpUTF8Mailbox`, the otherName of an internationalised mailbox (RFC 9598 section 3).
pub const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// `id-kp-clientAuth` (RFC 5280 section 4.2.1.12).
pub const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// `id-kp-serverAuth` (RFC 5280 section 4.2.1.12).
pub const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// `id-kp-emailProtection` (RFC 5280 section 4.2.1.12).
pub const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");

/// `id-ad-caIssuers` (RFC 5280 section 4.2.2.1).
pub const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// `anyPolicy` (RFC 5280 section 4.2.1.4).
pub const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");

/// `id-Ed25519`, key and signature algorithm (RFC 8410 section 3).
pub const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
pub const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `rsaEncryption` (RFC 3279 section 2.3.1).
pub const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `secp256r1`, also called P-256 (RFC 5480 section 2.1.1.1).
pub const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1`, also called P-384 (RFC 5480 section 2.1.1.1).
pub const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `ecdsa-with-SHA256` (RFC 5758 section 3.2).
pub const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// `ecdsa-with-SHA384` (RFC 5758 section 3.2).
pub const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// The name of a purpose in extKeyUsage, or its number where it is none of ours.
pub(crate) fn purpose_name(purpose: &ObjectIdentifier) -> String {
    match *purpose {
        CLIENT_AUTH => "clientAuth".to_owned(),
        SERVER_AUTH => "serverAuth".to_owned(),
        EMAIL_PROTECTION => "emailProtection".to_owned(),
        LIVE_PERSON => "livePerson".to_owned(),
        other => other.to_string(),
    }
}

/// The certificate extensions of RFC 5280 that our profiles use.
pub mod extension {
    use const_oid::ObjectIdentifier;

    /// `id-ce-subjectKeyIdentifier`, section 4.2.1.2.
    pub const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
    /// `id-ce-keyUsage`, section 4.2.1.3.
    pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
    /// `id-ce-subjectAltName`, section 4.2.1.6.
    pub const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
    /// `id-ce-basicConstraints`, section 4.2.1.9.
    pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
    /// `id-ce-cRLNumber`, section 5.2.3.
    pub const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
    /// `id-ce-cRLReasons`, section 5.3.1.
    pub const CRL_REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
    /// `id-ce-invalidityDate`, section 5.3.2.
    pub const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
    /// `id-ce-deltaCRLIndicator`, section 5.2.4.
    pub const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
    /// `id-ce-issuingDistributionPoint`, section 5.2.5.
    pub const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
    /// `id-ce-certificateIssuer`, section 5.3.3.
    pub const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
    /// `id-ce-nameConstraints`, section 4.2.1.10.
    pub const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
    /// `id-ce-cRLDistributionPoints`, section 4.2.1.13.
    pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
    /// `id-ce-certificatePolicies`, section 4.2.1.4.
    pub const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
    /// `id-ce-policyMappings`, section 4.2.1.5.
    pub const POLICY_MAPPINGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.33");
    /// `id-ce-authorityKeyIdentifier`, section 4.2.1.1.
    pub const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
    /// `id-pe-authorityInfoAccess`, section 4.2.2.1.
    pub const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
    /// `id-ce-policyConstraints`, section 4.2.1.11.
    pub const POLICY_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.36");
    /// `id-ce-extKeyUsage`, section 4.2.1.12.
    pub const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
    /// `id-ce-inhibitAnyPolicy`, section 4.2.1.14.
    pub const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
}

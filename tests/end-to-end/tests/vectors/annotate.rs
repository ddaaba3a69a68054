//! DER with the name of each field beside its bytes.

use super::der::{self, dotted};

/// Bytes in a line.
const WIDTH: usize = 24;
/// A field with more bytes than this is cut (a certificate of 16 KiB is no pleasure to read).
const LONGEST: usize = 512;

/// The fields of a certificate or a revocation list; a lone line where the bytes are none.
pub(crate) fn annotate(bytes: &[u8], is_list: bool) -> Vec<String> {
    let mut lines = Lines { lines: Vec::new(), is_list };
    lines.row(bytes, &[], &Context::default());
    lines.lines
}

struct Lines {
    lines: Vec<String>,
    is_list: bool,
}

/// What the elements around say about this one.
#[derive(Clone, Default)]
struct Context {
    /// The extension whose value this is, and the place inside it.
    extension: Option<(String, Vec<usize>)>,
    /// The fields of the transparency extension this is in.
    fields: &'static [&'static str],
}

const OF_PEOPLE: &[&str] = &[
    "origin",
    "period",
    "slot",
    "vrfProof",
    "opening",
    "index",
    "treeSize",
    "path",
    "logKeyId",
    "logSignature",
    "cosignatures",
];
const OF_SERVICES: &[&str] =
    &["origin", "period", "slot", "opening", "index", "treeSize", "path", "logKeyId", "logSignature", "cosignatures"];
const COSIGNATURE: &[&str] = &["name", "keyId", "time", "signature"];

impl Lines {
    /// A row of elements at this place in the whole.
    fn row(&mut self, mut bytes: &[u8], place: &[usize], context: &Context) {
        let mut position = 0;
        let mut last_oid = None;
        while !bytes.is_empty() {
            let Some((header, content, rest)) = split(bytes) else {
                return self.line(place.len(), bytes, "not an element of DER");
            };
            let mut here = place.to_vec();
            here.push(position);
            let mut inner = context.clone();
            if let Some((_, inside)) = &mut inner.extension {
                inside.push(position);
            }
            self.element(&bytes[..header + content.len()], header, &here, &inner, last_oid.as_deref());
            if bytes[0] == der::OID && position == 0 {
                last_oid = Some(dotted(content));
            }
            (bytes, position) = (rest, position + 1);
        }
    }

    fn element(&mut self, whole: &[u8], header: usize, place: &[usize], context: &Context, oid: Option<&str>) {
        let (tag, content) = (whole[0], &whole[header..]);
        let depth = place.len() - 1;
        let name = self.name(place, context);
        if tag & 0x20 != 0 {
            self.line(depth, &whole[..header], &join(tag_name(tag), &name, ""));
            return self.row(content, place, context);
        }
        // The value of an extension is DER again.
        if tag == der::OCTET_STRING
            && context.extension.is_none()
            && let Some(oid) = oid
            && split(content).is_some_and(|(.., rest)| rest.is_empty())
        {
            self.line(depth, &whole[..header], &join(tag_name(tag), "value", ""));
            // The fourth field is a VRF proof, or the opening already.
            let fourth = split(content).and_then(|(_, fields, _)| nth(fields, 3));
            let fields = if fourth == Some(0x80) { OF_PEOPLE } else { OF_SERVICES };
            let inside = Context { extension: Some((oid.to_owned(), Vec::new())), fields };
            return self.row(content, place, &inside);
        }
        self.line(depth, whole, &join(tag_name(tag), &name, &shown(tag, content)));
    }

    fn name(&self, place: &[usize], context: &Context) -> String {
        let name = match &context.extension {
            Some((oid, inside)) if oid == super::draft::TRANSPARENCY => transparency(inside, context.fields),
            Some(_) => "",
            None if self.is_list => list(place),
            None => certificate(place),
        };
        name.to_owned()
    }

    /// The bytes in lines, the text beside the first of them.
    fn line(&mut self, depth: usize, bytes: &[u8], text: &str) {
        let shown = &bytes[..bytes.len().min(LONGEST)];
        for (n, chunk) in shown.chunks(WIDTH).enumerate() {
            let line = format!("{}{}", "  ".repeat(depth), hex::encode(chunk));
            self.lines.push(if n == 0 { format!("{line}  {text}") } else { line });
        }
        if bytes.len() > LONGEST {
            self.lines.push(format!("{}… {} bytes more", "  ".repeat(depth), bytes.len() - LONGEST));
        }
    }
}

fn join(kind: String, name: &str, shown: &str) -> String {
    [kind.as_str(), name, shown].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The length of the header, the content, and what follows.
fn split(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let short = usize::from(*bytes.get(1)?);
    let (header, length) = if short < 0x80 {
        (2, short)
    } else {
        let length = bytes.get(2..2 + (short & 0x7f)).filter(|bytes| (1..=4).contains(&bytes.len()))?;
        (2 + length.len(), length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    Some((header, bytes.get(header..header + length)?, &bytes[header + length..]))
}

fn tag_name(tag: u8) -> String {
    match tag {
        0x01 => "BOOLEAN",
        0x02 => "INTEGER",
        0x03 => "BIT STRING",
        0x04 => "OCTET STRING",
        0x05 => "NULL",
        0x06 => "OID",
        0x0c => "UTF8String",
        0x13 => "PrintableString",
        0x17 => "UTCTime",
        0x18 => "GeneralizedTime",
        0x30 => "SEQUENCE",
        0x31 => "SET",
        _ => return format!("[{}]", tag & 0x1f),
    }
    .to_owned()
}

fn shown(tag: u8, content: &[u8]) -> String {
    match tag {
        der::OID if !content.is_empty() => {
            let dotted = dotted(content);
            let name = oid_name(&dotted);
            if name.is_empty() { dotted } else { name.to_owned() }
        }
        der::UTF8_STRING | 0x13 | der::UTC_TIME | der::GENERALIZED_TIME | 0x81 | 0x82 | 0x86 => {
            std::str::from_utf8(content).map(|text| format!("{text:?}")).unwrap_or_default()
        }
        der::INTEGER if (1..=8).contains(&content.len()) => {
            content.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)).to_string()
        }
        _ => String::new(),
    }
}

fn oid_name(dotted: &str) -> &'static str {
    match dotted {
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.2.1" => "id-ecPublicKey",
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.101.112" => "id-Ed25519",
        "2.5.4.3" => "commonName",
        "2.5.4.10" => "organizationName",
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.20" => "cRLNumber",
        "2.5.29.27" => "deltaCRLIndicator",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.37" => "extKeyUsage",
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.8.9" => "SmtpUTF8Mailbox",
        "1.3.6.1.4.1.32473.1.1" => "transparency",
        "1.3.6.1.4.1.32473.2.1" => "livePerson",
        "1.3.6.1.4.1.32473.3.1" => "policy device",
        "1.3.6.1.4.1.32473.3.2" => "policy phone-device",
        "1.3.6.1.4.1.32473.3.3" => "policy mail",
        "1.3.6.1.4.1.32473.3.4" => "policy service",
        "1.3.6.1.4.1.32473.3.5" => "policy component",
        "1.2.840.113549.1.1.1" => "rsaEncryption",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        "1.3.6.1.5.5.7.48.2" => "caIssuers",
        "2.23.140.1.5.1.2" => "CA/B mailbox-validated multipurpose",
        _ => "",
    }
}

fn certificate(place: &[usize]) -> &'static str {
    match place {
        [0] => "Certificate",
        [_] => "after the certificate",
        [0, 0] => "tbsCertificate",
        [0, 1] => "signatureAlgorithm",
        [0, 2] => "signatureValue",
        [0, 0, 0] => "version",
        [0, 0, 1] => "serialNumber",
        [0, 0, 2] => "signature",
        [0, 0, 3] => "issuer",
        [0, 0, 4] => "validity",
        [0, 0, 4, 0] => "notBefore",
        [0, 0, 4, 1] => "notAfter",
        [0, 0, 5] => "subject",
        [0, 0, 6] => "subjectPublicKeyInfo",
        [0, 0, 6, 0] => "algorithm",
        [0, 0, 6, 1] => "subjectPublicKey",
        [0, 0, 7] => "extensions",
        _ => "",
    }
}

fn list(place: &[usize]) -> &'static str {
    match place {
        [0] => "CertificateList",
        [_] => "after the list",
        [0, 0] => "tbsCertList",
        [0, 1] => "signatureAlgorithm",
        [0, 2] => "signatureValue",
        _ => "",
    }
}

fn transparency(inside: &[usize], fields: &'static [&'static str]) -> &'static str {
    match inside {
        [0] => "Transparency",
        [0, field] => fields.get(*field).copied().unwrap_or(""),
        [0, _, _] => "Cosignature",
        [0, _, _, field] => COSIGNATURE.get(*field).copied().unwrap_or(""),
        _ => "",
    }
}

/// The tag of the element at this place in a row.
fn nth(mut row: &[u8], place: usize) -> Option<u8> {
    for _ in 0..place {
        row = split(row)?.2;
    }
    row.first().copied()
}

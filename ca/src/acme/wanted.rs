//! What is to be proven or certified: the identifiers that a request names.

use identity::{Identifier, IdentifierKind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Service;
use super::problem::{Kind, Problem, Subproblem};

/// Of so many identifiers a refusal tells each one's fault.
const MAX_TOLD: usize = 16;

/// An identifier as it was sent.
#[derive(Deserialize, Serialize)]
pub(super) struct Named {
    r#type: String,
    value: String,
}

/// The one identifier, in canonical form, if addresses under its domain may enrol here.
pub(super) fn one(service: &Service, identifiers: &[Named]) -> Result<Identifier, Problem> {
    match identifiers {
        [one] => usable(service, one).map_err(|(kind, detail)| Problem::new(kind, detail)),
        [] => Err(Problem::new(Kind::RejectedIdentifier, "expected one identifier, found none")),
        several => Err(too_many(service, several)),
    }
}

/// A certificate speaks for one person by one address. Each identifier is told what is wrong with it (RFC 8555 section
/// 6.7.1), so that a client can make an order for each that has no other fault.
fn too_many(service: &Service, several: &[Named]) -> Problem {
    let fault = |named: &Named| match usable(service, named) {
        Ok(_) => (Kind::RejectedIdentifier, "not together with others; make an order for it alone".into()),
        Err(fault) => fault,
    };
    let told = several.iter().take(MAX_TOLD).map(|named| {
        let (kind, detail) = fault(named);
        Subproblem { kind, detail, identifier: json!(named) }
    });
    let detail = format!("expected one identifier, for a certificate speaks for one, found {}", several.len());
    Problem::new(Kind::RejectedIdentifier, detail).subproblems(told.collect())
}

fn usable(service: &Service, named: &Named) -> Result<Identifier, (Kind, String)> {
    let rejected = |detail: String| (Kind::RejectedIdentifier, detail);
    let parsed = || Identifier::parse(&named.value).map_err(|e| rejected(e.to_string()));
    match (named.r#type.as_str(), &service.config.phones) {
        ("email", _) => {
            let identifier = parsed()?;
            match identifier.domain() {
                Some(domain) if service.config.permits(domain) => Ok(identifier),
                Some(domain) => Err(rejected(format!("this authority does not certify addresses under {domain}"))),
                None => Err(rejected("expected a mail address".into())),
            }
        }
        ("tel", Some(phones)) => {
            let identifier = parsed()?;
            if identifier.kind() != IdentifierKind::Phone {
                return Err(rejected("expected a phone number".into()));
            }
            phones.check(&identifier).map_err(|e| rejected(e.to_string()))?;
            Ok(identifier)
        }
        (_, None) => Err((Kind::UnsupportedIdentifier, "expected an identifier of type email".into())),
        (_, Some(_)) => Err((Kind::UnsupportedIdentifier, "expected an identifier of type email or tel".into())),
    }
}

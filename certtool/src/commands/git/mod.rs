//! Git: `certtool git-sign`, which git runs as it runs gpgsm, and `certtool git-verify`, for people and CI.

mod sign;
mod verify;

pub(crate) use sign::GitSign;
pub(crate) use verify::GitVerify;

use identity::trust::Trust;
use message_syntax::Signature;

use crate::clock;
use crate::commands::verify::judged::{Judged, judge};
use crate::commands::verify::signature::{not_read, subject_of};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::reading::pem_content;

/// Largest commit or tag (bytes): they hold words and the names of what was committed.
const MAX_OBJECT_BYTES: u64 = 16 << 20;
/// Largest signature in PEM.
const MAX_SIGNATURE_BYTES: usize = 1 << 20;
/// What git takes for a signature of this kind (gpgsm's own word, no standard's).
const LABEL: &str = "SIGNED MESSAGE";

/// Whom one trusts now; nobody is an answer that helps nobody.
fn trust(context: &Context) -> Result<Trust, Failure> {
    if context.home.trust_policies()?.is_empty() {
        return Err(device::enrolment::ChooseError::NoPolicy.into());
    }
    Ok(context.home.trust_at(clock::now())?)
}

/// Who has signed `content`, by a certificate that holds now, or held when the signature was dated. Git has one signature
/// for each commit.
fn signer(pem: &[u8], content: &[u8], name: &str, trust: &Trust) -> Result<Judged, Failure> {
    let refused = |found: String| {
        Failure::new(
            Exit::Refused,
            format!("{name}: expected a signature in PEM, found {found}"),
            "Was it signed with gpg.format=x509?",
        )
    };
    if pem.len() > MAX_SIGNATURE_BYTES {
        return Err(refused(format!("{} bytes", pem.len())));
    }
    let message = pem_content(pem).map_err(refused)?;
    let mut content = content;
    let signatures = message_syntax::verify(&message[..], Some(&mut content), &mut std::io::sink())
        .map_err(|error| not_read(name, &error))?;
    let [signature] =
        <[Signature; 1]>::try_from(signatures).map_err(|all| refused(format!("{} signatures", all.len())))?;
    judge(&signature, &subject_of(&signature, name), None, trust, None)
}

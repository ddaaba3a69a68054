//! One entry, and the proof that it stands in the log.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tlog_proof::{Entry, ObjectKind, PolicyVerdict, leaf_hash, verify_inclusion};
use transparency_log::client::ClientError;
use transparency_log::page::{Page, escape};

use super::Explorer;
use super::steps::{shown, steps};

#[derive(Deserialize)]
pub(super) struct Asked {
    index: Option<String>,
}

pub(super) async fn page(State(explorer): State<Explorer>, Query(asked): Query<Asked>) -> Response {
    let verdict = match explorer.newest().await {
        Ok(verdict) => verdict,
        Err(error) => return explorer.broken(&error),
    };
    let size = verdict.checkpoint.size;
    let Some(text) = asked.index.filter(|text| !text.trim().is_empty()) else {
        let mut page = explorer.page("An entry of the log");
        form(&mut page, &explorer, size, "");
        return page.respond();
    };
    let Some(index) = text.trim().parse::<u64>().ok().filter(|index| *index < size) else {
        let mut page = explorer.page("No such entry").with_status(StatusCode::NOT_FOUND);
        page.bad(&format!("Expected a number below {size}, found {:?}.", text.chars().take(40).collect::<String>()));
        form(&mut page, &explorer, size, "");
        return page.respond();
    };
    let mut page = explorer.page(&format!("Entry {index}"));
    form(&mut page, &explorer, size, &index.to_string());
    match show(&mut page, &explorer, &verdict, index).await {
        Ok(()) => page.respond(),
        Err(error) => explorer.broken(&error),
    }
}

fn form(page: &mut Page, explorer: &Explorer, size: u64, value: &str) {
    let (action, value) = (escape(&format!("{}/entry", explorer.0.prefix)), escape(value));
    let words =
        if size == 0 { "The log is empty".to_owned() } else { format!("Number of an entry, 0 to {}", size - 1) };
    page.add(&format!(
        "<form action=\"{action}\" method=\"get\"><label for=\"index\">{words}</label>\
         <input id=\"index\" name=\"index\" inputmode=\"numeric\" autocomplete=\"off\" value=\"{value}\"> <button>Show</button></form>\n"
    ));
}

async fn show(page: &mut Page, explorer: &Explorer, verdict: &PolicyVerdict, index: u64) -> Result<(), ClientError> {
    let tree = explorer.0.client.tree(verdict).await?;
    let bytes = tree.entry(index).await?;
    describe(page, explorer, &bytes);
    let size = verdict.checkpoint.size;
    let path = tree.prove_inclusion(index).await?;
    page.heading("Proof that it stands in the log");
    page.steps(&steps(index, size, &bytes, &path));
    let root = verdict.checkpoint.root;
    match verify_inclusion(index, size, &leaf_hash(&bytes), &path, &root) {
        Ok(()) => page.good(&format!("The last hash is the root of the newest checkpoint, {} ({root} in base64), which the log has signed and its witnesses have cosigned.", shown(&root))),
        Err(error) => page.bad(&error.to_string()),
    }
    Ok(())
}

fn what(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Crl => "a list of revoked certificates",
        ObjectKind::IssuingCertificate => "the certificate of an issuing CA",
        ObjectKind::TrustPolicy => "a version of its trust policy",
        ObjectKind::AuditHead => "the head of its audit trail",
    }
}

fn describe(page: &mut Page, explorer: &Explorer, bytes: &[u8]) {
    let of = |bytes: &[u8; 32]| hex::encode(bytes);
    match Entry::decode(bytes) {
        Ok(Entry::Certificate { label, commitment }) => {
            page.paragraph("A person's certificate. The label says nothing to anybody but its owner and the authority; the commitment opens to the certificate's contents alone.");
            page.facts(&[("Label", &of(&label)), ("Commitment", &of(&commitment))]);
        }
        Ok(Entry::Signature { label, digest }) => {
            page.paragraph("A blinded signature, put here so that its date can be proven.");
            page.facts(&[("Label", &of(&label)), ("Digest", &of(&digest))]);
        }
        Ok(Entry::Service { name_digest, commitment }) => {
            page.paragraph("The certificate of a service, such as a directory or this web server.");
            page.facts(&[("Digest of its name", &of(&name_digest)), ("Commitment", &of(&commitment))]);
        }
        Ok(Entry::Object { kind, hash }) => {
            page.paragraph(&format!("Something else that the authority has signed: {}.", what(kind)));
            page.facts(&[("SHA-256", &of(&hash))]);
            page.links(&[(format!("{}/object/{}", explorer.0.prefix, of(&hash)), "The object itself".to_owned())]);
        }
        Err(error) => page.bad(&format!("This is no entry that an honest authority logs: {error}")),
    }
}

//! A pasted certificate, and what its proof says.

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use identity::certificate::{Certificate, SubjectName};
use identity::transparency::{TransparencyExtension, commitment};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use tlog_proof::{Entry, UnverifiedCheckpoint, leaf_hash, root_from_inclusion};
use transparency_log::bounded::read_body;
use transparency_log::client::ClientError;
use transparency_log::page::{Page, escape, utc};

use super::Explorer;
use super::steps::{shown, steps};

/// Largest form that is read, in bytes; a certificate has two to four thousand.
const MAX_FORM_BYTES: usize = 32 * 1024;

#[derive(Deserialize)]
struct Form {
    pem: String,
}

pub(super) async fn form(State(explorer): State<Explorer>) -> Response {
    let mut page = explorer.page("A certificate's proof");
    page.paragraph("Paste a certificate in PEM, the text between and with BEGIN CERTIFICATE and END CERTIFICATE. It is looked at and forgotten. A certificate names a person: paste only what you may show to this server.");
    add_form(&mut page, &explorer);
    page.respond()
}

fn add_form(page: &mut Page, explorer: &Explorer) {
    let action = escape(&format!("{}/certificate", explorer.0.prefix));
    page.add(&format!(
        "<form action=\"{action}\" method=\"post\"><label for=\"pem\">Certificate</label>\
         <textarea id=\"pem\" name=\"pem\" required spellcheck=\"false\" autocomplete=\"off\" placeholder=\"-----BEGIN CERTIFICATE-----\"></textarea>\
         <button>Explain its proof</button></form>\n"
    ));
}

pub(super) async fn page(State(explorer): State<Explorer>, request: Request) -> Response {
    let refused = |status: StatusCode, words: &str| {
        let mut page = explorer.page("A certificate's proof").with_status(status);
        page.bad(words);
        add_form(&mut page, &explorer);
        page.respond()
    };
    let body = match read_body(request.into_body(), MAX_FORM_BYTES).await {
        Ok(body) => body,
        Err(status) => return refused(status, "Expected a form with one certificate, of at most 32 KiB."),
    };
    let Some((certificate, extension)) = read(&body) else {
        return refused(
            StatusCode::BAD_REQUEST,
            "Expected a certificate in PEM with a proof that it stands in a log, found none.",
        );
    };
    let mut page = explorer.page("A certificate's proof");
    match explain(&mut page, &explorer, &certificate, &extension).await {
        Ok(()) => page.respond(),
        Err(error) => explorer.broken(&error),
    }
}

/// The certificate in a form, if there is one with a proof. Forms are read as the query of an address is.
fn read(body: &[u8]) -> Option<(Certificate, TransparencyExtension)> {
    let uri: Uri = format!("/?{}", std::str::from_utf8(body).ok()?).parse().ok()?;
    let Query(Form { pem }) = Query::try_from_uri(&uri).ok()?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let certificate = Certificate::parse(&der).ok()?;
    let extension = certificate.tbs().transparency().ok()??;
    Some((certificate, extension))
}

async fn explain(
    page: &mut Page,
    explorer: &Explorer,
    certificate: &Certificate,
    extension: &TransparencyExtension,
) -> Result<(), ClientError> {
    let tbs = certificate.tbs();
    let names: Vec<_> = tbs.subject_names().iter().map(shown_name).collect();
    let (index, size) = (extension.index, extension.tree_size);
    page.facts(&[
        ("For", &names.join(", ")),
        ("Valid from", &utc(tbs.not_before().as_secs())),
        ("Says it stands in", &extension.origin),
        ("At index", &index.to_string()),
        ("In a tree of", &format!("{size} entries")),
    ]);
    let verdict = explorer.newest().await?;
    if extension.origin != verdict.checkpoint.origin {
        page.bad(&format!("Its proof is of another log than this one, which is {}.", verdict.checkpoint.origin));
        return Ok(());
    }
    if index >= size || size > verdict.checkpoint.size {
        page.bad(&format!(
            "This log has {} entries: the proof is of a tree that it never had.",
            verdict.checkpoint.size
        ));
        return Ok(());
    }
    let tree = explorer.0.client.tree(&verdict).await?;
    let entry = tree.entry(index).await?;
    page.heading("1. What the log holds opens to this certificate");
    let opened = commitment(&extension.opening, &tbs.without_transparency().encode());
    page.steps(&[
        ("Take the certificate's contents without the proof, and HMAC-SHA-256 them with the opening in the proof as key".to_owned(), hex::encode(opened)),
        (format!("Entry {index} of the log holds the commitment"), held(&entry).map_or_else(|| "none".to_owned(), hex::encode)),
    ]);
    judge(
        page,
        held(&entry) == Some(opened),
        "They are the same: this entry was made for exactly this certificate.",
        "They differ: this entry is another certificate's.",
    );
    page.heading("2. The entry stands in the tree");
    page.steps(&steps(index, size, &entry, &extension.path));
    let root = tree.frontier(size).await?.root();
    let led = root_from_inclusion(index, size, &leaf_hash(&entry), &extension.path).ok();
    judge(
        page,
        led == Some(root),
        &format!("The last hash is the root that this log had with {size} entries: {}.", shown(&root)),
        &format!("The steps do not lead to the root that this log had with {size} entries: {}.", shown(&root)),
    );
    page.heading("3. The root is signed by the log and cosigned by witnesses");
    let checkpoint = UnverifiedCheckpoint::parse(extension.checkpoint(&root));
    let checked = checkpoint
        .map_err(|error| error.to_string())
        .and_then(|checkpoint| explorer.0.policy.check(&checkpoint).map_err(|error| error.to_string()));
    match checked {
        Ok(verdict) => {
            let rows = verdict.cosigned.iter().map(|by| vec![by.name.clone(), utc(by.time)]).collect();
            page.table(&["Witness", "Cosigned"], rows);
            page.good("The log's signature and every cosignature verify, and they make the quorum.");
        }
        Err(error) => page.bad(&format!("The signatures in the proof do not hold: {error}")),
    }
    page.paragraph("A verifier checks all this offline, from the certificate alone. It also checks, with the authority's key for labels, that the label is one of this owner's, so that her watch finds the entry; this page cannot, since the log never learns whose labels are whose.");
    Ok(())
}

fn shown_name(name: &SubjectName) -> String {
    match name {
        SubjectName::Email(text) | SubjectName::InternationalEmail(text) => text.clone(),
        SubjectName::Phone(text) | SubjectName::Dns(text) => text.clone(),
        _ => "a name of another kind".to_owned(),
    }
}

/// The commitment in an entry.
fn held(entry: &[u8]) -> Option<[u8; 32]> {
    match Entry::decode(entry).ok()? {
        Entry::Certificate { commitment, .. } | Entry::Service { commitment, .. } => Some(commitment),
        Entry::Signature { .. } | Entry::Object { .. } => None,
    }
}

fn judge(page: &mut Page, holds: bool, yes: &str, no: &str) {
    if holds { page.good(yes) } else { page.bad(no) }
}

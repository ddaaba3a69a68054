//! How the authority is: a page for people, health for whoever restarts it, figures for whoever watches it.
//!
//! None of it tells anything of an address, or depends on one. The figures are for this machine alone: how busy an
//! authority is concerns its operator.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tlog_proof::LogPolicy;
use transparency_log::BatchFigures;

use super::Service;
use super::problem::Problem;
use crate::crl::ListName;
use crate::https::is_from_here;
use crate::spent;
use crate::store::{Authority, Select};

/// A revocation list that is older was not renewed for a day: then clients begin to warn people.
const MAX_LIST_AGE_SECONDS: u64 = 86_400;
const AUTHORITIES: [Authority; 2] = [Authority::People, Authority::Services];

/// GET health: 503 if nothing can be decided here, which whoever restarts this process may mend. 200 and "degraded" if
/// only new certificates have to wait for others: the log with its witnesses, or the holder of the label key.
pub(super) async fn health(State(service): State<Arc<Service>>) -> Response {
    let store = service.store.read(Select::Unfinished { limit: 1 }).await.is_ok();
    let lists = AUTHORITIES.iter().all(|a| list_age(&service, *a).is_some_and(|age| age <= MAX_LIST_AGE_SECONDS));
    let trail = !service.issuer.trail.is_failing();
    let well = store && lists && trail;
    let log = !service.issuer.log_failing.load(Ordering::Relaxed);
    let label_key = label_key(&service);
    let word = |good: bool| if good { "ok" } else { "failing" };
    let body: Value = json!({
        "status": if well && !(log && label_key) { "degraded" } else { word(well) },
        "database": word(store),
        "revocationLists": word(lists),
        "auditTrail": word(trail),
        "log": word(log),
        "labelKey": word(label_key),
    });
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body)).into_response()
}

/// Whether labels can be computed. A signer elsewhere is not asked: strangers would make it work, and one that is silent would
/// have this page wait.
fn label_key(service: &Service) -> bool {
    service.issuer.shard().key().is_some()
}

/// Seconds since the newest list was made.
fn list_age(service: &Service, authority: Authority) -> Option<u64> {
    let made = service.crls.made(authority)?;
    Some(service.now().as_secs().saturating_sub(made))
}

/// GET metrics, in the text format of Prometheus, from this machine alone.
pub(super) async fn metrics(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    if !is_from_here(&request) {
        return Err(Problem::not_found());
    }
    let mut out = String::from(
        "# HELP inperson_ca_decisions_total Decisions since the start, as the audit trail names them.\n# TYPE inperson_ca_decisions_total counter\n",
    );
    for (what, count) in service.issuer.trail.counts() {
        let _ = writeln!(out, "inperson_ca_decisions_total{{what=\"{what}\"}} {count}");
    }
    out.push_str(
        "# HELP inperson_ca_audit_records Records in the audit trail.\n# TYPE inperson_ca_audit_records gauge\n",
    );
    let _ = writeln!(out, "inperson_ca_audit_records {}", service.issuer.trail.head().count);
    out.push_str("# HELP inperson_ca_list_age_seconds Age of the newest revocation list.\n# TYPE inperson_ca_list_age_seconds gauge\n");
    for authority in AUTHORITIES {
        if let Some(age) = list_age(&service, authority) {
            let _ = writeln!(out, "inperson_ca_list_age_seconds{{authority=\"{}\"}} {age}", authority.name());
        }
    }
    out.push_str("# HELP inperson_ca_mail_places_free Mails that could be handed over beside those under way.\n# TYPE inperson_ca_mail_places_free gauge\n");
    let _ = writeln!(out, "inperson_ca_mail_places_free {}", service.mails_in_flight.available_permits());
    out.push_str(&batches(&service));
    out.push_str(&spent::metrics());
    if let Some(texting) = &service.texting {
        out.push_str(&texting.receipts.metrics());
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out).into_response())
}

/// What the batches of the logs in this process were like.
fn batches(service: &Service) -> String {
    let shards = service.issuer.logs.all();
    let logs: Vec<_> = shards.iter().filter_map(|shard| Some((shard.origin(), shard.log().figures()?))).collect();
    let mut out = String::new();
    let mut figure = |name: &str, what: &str, value: fn(&BatchFigures) -> f64| {
        let _ = writeln!(out, "# HELP {name} {what}\n# TYPE {name} counter");
        for (origin, figures) in &logs {
            let _ = writeln!(out, "{name}{{log=\"{origin}\"}} {}", value(figures));
        }
    };
    figure("inperson_log_batches_total", "Batches of the log since the start.", |of| of.batches as f64);
    figure("inperson_log_batch_entries_total", "Entries in them.", |of| of.entries as f64);
    figure(
        "inperson_log_batch_seconds_total",
        "Time from the end of gathering a batch until it was published.",
        |of| of.took.as_secs_f64(),
    );
    out
}

/// The log that takes certificates now, by its name; a link where the policy says at which address its pages are.
fn log_link(origin: &str, policy: &LogPolicy) -> String {
    let name = format!("<code>{}</code>", escaped(origin));
    let url = policy.logs.iter().find(|log| log.vkey.name() == origin).and_then(|log| log.url.as_deref());
    url.map_or_else(|| name.clone(), |url| format!("<a href=\"{}\">{name}</a>", escaped(url)))
}

/// GET status: what a person may want to know, without a script.
pub(super) async fn page(State(service): State<Arc<Service>>) -> Response {
    let config = &service.config;
    let host = escaped(service.host());
    let root = hex::encode(Sha256::digest(service.issuer.keys().root_der()));
    let (what, or_number) = match config.phones {
        None => ("a mail address", ""),
        Some(_) => ("a mail address or a phone number", "\ncerttool enroll +15550123456"),
    };
    let link = |url: &str| format!("<a href=\"{0}\">{0}</a>", escaped(url));
    let shard = service.issuer.shard();
    let mut rows = vec![
        ("Root certificate, SHA-256".to_owned(), format!("<code>{root}</code>")),
        ("Enrolment (ACME)".to_owned(), link(&service.directory())),
        ("Transparency log".to_owned(), log_link(shard.origin(), shard.policy())),
    ];
    for authority in AUTHORITIES {
        let what = match authority {
            Authority::People => "Revocation list, people",
            Authority::Services => "Revocation list, services",
        };
        let newest = service.issuer.keys().issuer(authority).name;
        for issuer in service.crls.issuers(authority) {
            let parts = match service.crls.parts(issuer) {
                0 => String::new(),
                parts => format!(" and {parts} parts, of which each certificate names one"),
            };
            let url = service.issuer.list_url(ListName::whole(issuer)).unwrap_or_default();
            let before = if issuer == newest { "" } else { ", by a key from before" };
            rows.push((format!("{what}{before}"), format!("{}{parts}", link(&url))));
        }
    }
    if let Some(terms) = &config.terms {
        rows.push(("Terms of service".to_owned(), link(terms)));
    }
    if let Some(website) = &config.website {
        rows.push(("More about it".to_owned(), link(website)));
    }
    let rows: String =
        rows.iter().map(|(what, value)| format!("<tr><th scope=\"row\">{what}</th><td>{value}</td></tr>\n")).collect();
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Certificates for people: {host}</title>\n\
         <style>:root{{color-scheme:light dark;background:Canvas;color:CanvasText}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}\
         th{{text-align:left;vertical-align:top;padding-right:1rem;font-weight:600}}\
         td,code,pre{{overflow-wrap:anywhere;white-space:pre-wrap}}</style>\n</head>\n<body>\n\
         <h1>Certificates for people</h1>\n\
         <p>The authority at <strong>{host}</strong> certifies that {what} is yours, and signs no certificate that \
         does not stand in a public, witnessed log.</p>\n\
         <h2>How to get one</h2>\n\
         <pre>certtool enroll you@example.org{or_number}</pre>\n\
         <p>Before that, pin its trust policy by the fingerprint that the operator gives you over another channel.</p>\n\
         <h2>A device was stolen</h2>\n\
         <pre>certtool revoke you@example.org --stolen</pre>\n\
         <h2>Where everything is</h2>\n<table>\n{rows}</table>\n\
         <h2>Privacy</h2>\n\
         <p>Your address or number stands in this authority's database and in your certificate. It does not stand in the public log: \
         nobody can list people from it, and you can find every certificate ever made in your name.</p>\n\
         </body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, body).into_response()
}

/// As text and as the value of an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_a_link_where_its_policy_has_its_address() {
        let mut policy = transparency_log::testing::MemoryLog::open("a.example/log", Arc::new(|| 0)).await.policy;
        policy.logs[0].url = None;
        assert_eq!(log_link("a.example/log", &policy), "<code>a.example/log</code>");
        policy.logs[0].url = Some("https://a.example:8443/log?\"".into());
        let link = "<a href=\"https://a.example:8443/log?&quot;\"><code>a.example/log</code></a>";
        assert_eq!(log_link("a.example/log", &policy), link);
    }
}

//! A log-in vouches for an address: the issuer is npm's `oidc-provider`, certified by the OpenID Foundation and not ours;
//! the browser is a script with cookies, opened as `certtool` opens one.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod full;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use story::homeserver::Homeserver;
use story::node::Node;
use story::person::Person;
use story::process::{self, Finished, Running};

const PATIENCE: Duration = Duration::from_secs(180);

/// An issuer whose log-in lets in whomever the hint names. Who is called unverified has not shown that she reads her mail;
/// who is called denied is not let in.
const ISSUER: &str = r#"
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";
const pem = process.env.TLS_PEM && readFileSync(process.env.TLS_PEM);
const server = pem ? https.createServer({ key: pem, cert: pem }) : http.createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `${pem ? "https" : "http"}://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "in-person", application_type: "native", token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"], response_types: ["code"], redirect_uris: ["http://127.0.0.1/callback"] }],
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: !id.startsWith("unverified") }) }),
  });
  const callback = provider.callback();
  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return callback(request, response);
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    let result;
    if (params.login_hint.startsWith("denied")) {
      result = { error: "access_denied", error_description: "not one of us" };
    } else if (prompt.name === "login") {
      result = { login: { accountId: params.login_hint } };
    } else {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope("openid email");
      result = { consent: { grantId: await grant.save() } };
    }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  });
  console.log(issuer);
});
"#;

/// A browser: follows redirects and keeps cookies. With a second argument it logs somebody else in.
const BROWSER: &str = r#"
let url = new URL(process.argv[3]);
if (process.argv[2] !== "-") url.searchParams.set("login_hint", process.argv[2]);
const jar = new Map();
for (let hop = 0; hop < 12; hop++) {
  const cookies = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const response = await fetch(url, { redirect: "manual", headers: { cookie: cookies } });
  for (const cookie of response.headers.getSetCookie()) {
    const [name, value] = cookie.split(";")[0].split(/=(.*)/s);
    value ? jar.set(name, value) : jar.delete(name);
  }
  const next = response.headers.get("location");
  if (!next) { console.error(response.status, (await response.text()).slice(0, 300)); break; }
  url = new URL(next, url);
}
"#;

struct Issuer {
    _running: Running,
    url: String,
}

/// One that speaks TLS if it has a key and a certificate, in one file.
fn issuer(node: &Node, place: &Path, tls: Option<&Path>) -> Issuer {
    let mut command = node.script("issuer.mjs", ISSUER).unwrap();
    if let Some(pem) = tls {
        command.env("TLS_PEM", pem);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.join("issuer.log")).unwrap());
    let mut running = Running::start("the issuer", command).unwrap();
    let output = BufReader::new(running.take_stdout().unwrap());
    let (send, said) = std::sync::mpsc::channel();
    // It says more later, and would end if nobody listened.
    std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| _ = send.send(line)));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let line = said.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_else(|_| {
            panic!("no issuer: {}", std::fs::read_to_string(place.join("issuer.log")).unwrap_or_default())
        });
        if line.starts_with("http") {
            return Issuer { _running: running, url: line };
        }
    }
}

/// A home server in `folder` for whose people of one domain the issuer vouches.
fn server(folder: &Path, issuer: &Issuer) -> Homeserver {
    server_with(folder, &vouching(&issuer.url))
}

fn vouching(url: &str) -> String {
    format!("\n[[openid]]\nissuer = \"{url}\"\nclient_id = \"in-person\"\ndomains = [\"example.org\"]\n")
}

fn server_with(folder: &Path, tables: &str) -> Homeserver {
    Homeserver::start(folder, &[]).unwrap().stop().unwrap();
    let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("homeserver.toml")).unwrap();
    settings.write_all(tables.as_bytes()).unwrap();
    Homeserver::start(folder, &[]).unwrap()
}

/// A program that opens what it is given in the browser, and logs `who` in (`-`: whom the hint names).
fn browser(node: &Node, place: &Path, who: &str) -> PathBuf {
    let script = node.file("browser.mjs", BROWSER).unwrap();
    let path = place.join(format!("browser-{who}"));
    let log = place.join("browser.log");
    let (program, script, log) = (node.program().display(), script.display(), log.display());
    std::fs::write(&path, format!("#!/bin/sh\nexec {program} {script} {who} \"$1\" >>{log} 2>&1\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn enroll(person: &Person, browser: &Path) -> Finished {
    let mut command = person.command("certtool", &["enroll", person.address(), "--challenge", "oidc"]).unwrap();
    command.env("BROWSER", browser);
    process::run("certtool", command, PATIENCE).unwrap()
}

#[test]
fn a_log_in_vouches_for_ones_own_address_alone() {
    let node = Node::with(&["oidc-provider@8.8.1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let issuer = issuer(&node, place.path(), None);
    let server = server(&place.path().join("server"), &issuer);
    let hinted = browser(&node, place.path(), "-");

    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let done = enroll(&alice, &hinted);
    let browsed = || std::fs::read_to_string(place.path().join("browser.log")).unwrap_or_default();
    assert_eq!(done.code, 0, "{}\n{}", done.text(), browsed());
    assert!(done.text().contains(&format!("{}/auth?", issuer.url)), "{}", done.text());
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "certtool verify").unwrap();
    assert!(server.outbox().to(alice.address()).is_empty(), "no code was sent");

    for (address, who, says) in [
        ("unverified@example.org", "-", "email_verified of the token: expected true, found false"),
        ("bob@example.org", "mallory@example.org", "email of the token: expected bob@example.org"),
        ("denied@example.org", "-", "did not let you in: not one of us"),
        ("carol@example.com", "-", "oidc-00, found email-code-00"),
    ] {
        let person = Person::new(place.path(), address);
        person.trust(server.ready()).unwrap();
        let refused = enroll(&person, &browser(&node, place.path(), who));
        assert!(refused.code != 0 && refused.text().contains(says), "{address}: {}\n{}", refused.text(), browsed());
    }
    server.stop().unwrap();
}

/// An organisation that certifies its issuer itself: its people's computers know its authority, as their browsers do.
#[test]
fn one_of_several_issuers_is_chosen_and_may_be_known_to_the_system_alone() {
    let node = Node::with(&["oidc-provider@8.8.1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let [both, roots] = ["both.pem", "roots.pem"].map(|name| place.path().join(name));
    std::fs::write(&both, key.signing_key.serialize_pem() + &key.cert.pem()).unwrap();
    std::fs::write(&roots, key.cert.pem()).unwrap();
    let issuer = issuer(&node, place.path(), Some(&both));
    let first = vouching("https://127.0.0.1:9");
    let second = vouching(&issuer.url) + &format!("roots = \"{}\"\n", roots.display());
    let server = server_with(&place.path().join("server"), &(first + &second));
    let hinted = browser(&node, place.path(), "-");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let enroll = |issuer: &str, knows: bool| {
        let arguments = ["enroll", alice.address(), "--challenge", "oidc", "--issuer", issuer];
        let mut command = alice.command("certtool", &arguments).unwrap();
        command.env("BROWSER", &hinted).env("NODE_EXTRA_CA_CERTS", &roots);
        if knows {
            command.env("SSL_CERT_FILE", &roots);
        }
        process::run("certtool", command, PATIENCE).unwrap()
    };
    let refused = enroll("https://login.example.com", true);
    assert!(
        refused.code == 1 && refused.text().contains("https://127.0.0.1:9, https://127.0.0.1:"),
        "{}",
        refused.text()
    );
    let refused = enroll(&issuer.url, false);
    assert!(refused.code == 1 && refused.text().contains("SSL_CERT_FILE"), "{}: {}", refused.code, refused.text());
    let done = enroll(&issuer.url, true);
    let browsed = std::fs::read_to_string(place.path().join("browser.log")).unwrap_or_default();
    assert_eq!(done.code, 0, "{}\n{browsed}", done.text());
}

//! A log-in by certificate: curl with what was exported, nginx with the root beside it.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use crate::place::{ALICE, P256, PASSPHRASE, Place, Server, other, run};

/// Asks every client for a certificate as `settings` say, says whose it is, and writes it down in `access.log`. Its own
/// certificate is by an authority for sites: both are in `server.pem`, that alone in `server-root.pem`.
pub(crate) fn nginx(place: &Place, port: u16, settings: &str) -> Server {
    let (chain, key) = (place.at("server.pem"), place.at("server.key.pem"));
    let (root, root_key) = (place.at("server-root.pem"), place.at("server-root.key.pem"));
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    let authority = ["-subj", "/CN=Sites", "-keyout", &root_key, "-out", &root];
    run("openssl", [&new[..], &authority].concat()).good();
    // A browser takes no authority for a site.
    let site = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost"];
    let by = ["-subj", "/CN=localhost", "-CA", &root, "-CAkey", &root_key, "-keyout", &key, "-out", &chain];
    run("openssl", [&new[..], &site, &by].concat()).good();
    let both = [&chain, &root].map(|file| fs::read_to_string(file).unwrap()).concat();
    fs::write(&chain, both).unwrap();
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", place.at(what)))
        .concat();
    let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
    let settings = format!(
        "daemon off;\nmaster_process off;\n{user}pid {pid};\nevents {{}}\nhttp {{\n{folders}\
         log_format person \"$ssl_client_verify $ssl_client_s_dn $status\";\naccess_log {visitors} person;\nserver {{\n\
         listen 127.0.0.1:{port} ssl;\nssl_protocols TLSv1.2 TLSv1.3;\nssl_certificate {chain};\n\
         ssl_certificate_key {key};\n{settings}\n\
         location / {{ return 200 \"$ssl_client_verify $ssl_client_s_dn\"; }}\n}}\n}}\n",
        pid = place.at("nginx.pid"),
        visitors = place.at("access.log"),
    );
    let settings = place.write("nginx.conf", settings.as_bytes());
    let log = fs::File::create(place.at("nginx.log")).unwrap();
    let mut nginx = other("nginx", ["-e", &place.at("nginx.error.log"), "-c", &settings]);
    let mut server = Server(nginx.stdin(Stdio::null()).stderr(log).spawn().unwrap());
    server.listens(port, || fs::read_to_string(place.at("nginx.error.log")).unwrap_or_default());
    server
}

#[test]
fn nginx_lets_her_in_by_what_curl_was_given() {
    let place = Place::new();
    place.enrolled();
    let (certificate, key) = place.mail("p256", P256);
    place.export("openssl", &[ALICE], "device").good();
    place.export("openssl", &[&certificate, "--key", &key], "mail").good();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let root = place.at(&format!("device/{ALICE}-root.pem"));
    let settings = format!("ssl_client_certificate {root};\nssl_verify_client on;\nssl_verify_depth 2;");
    let _server = nginx(&place, port, &settings);
    let url = format!("https://localhost:{port}/");
    let server = place.at("server.pem");
    let curl = |more: &[&str]| {
        // It is asked again until the server is there.
        let options = ["-sS", "--retry", "60", "--retry-connrefused", "--retry-max-time", "120", "--cacert", &server];
        run("curl", [&options[..], more, &[&url]].concat())
    };
    let (_, without) = curl(&[]).either();
    assert!(without.contains("No required SSL certificate was sent"), "{without}");
    for (folder, version) in [("device", "--tlsv1.3"), ("device", "--tlsv1.2"), ("mail", "--tlsv1.3")] {
        let pem = place.at(&format!("{folder}/{ALICE}.pem"));
        let p12 = place.at(&format!("{folder}/{ALICE}.p12"));
        let seen = curl(&[version, "--cert", &pem, "--pass", PASSPHRASE]).good();
        assert_eq!(seen, format!("SUCCESS CN={ALICE}"));
        let seen = curl(&[version, "--cert-type", "P12", "--cert", &p12, "--pass", PASSPHRASE]).good();
        assert_eq!(seen, format!("SUCCESS CN={ALICE}"));
    }
    // Somebody else's authority is not hers.
    let stranger = place.at("stranger.pem");
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=alice@example.org"];
    run("openssl", [&new[..], &["-keyout", &place.at("stranger.key"), "-out", &stranger]].concat()).good();
    let refused = curl(&["--cert", &stranger, "--key", &place.at("stranger.key")]).either().1;
    assert!(refused.contains("400 Bad Request"), "{refused}");
}

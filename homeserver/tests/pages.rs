//! The log's own pages on a home server, over its real port, with a certificate that it really issued.
#![allow(clippy::unwrap_used, missing_docs)]

use homeserver::{Homeserver, Options};
use transparency_log::client::self_proving_http;

/// As a browser sends what was pasted into a form.
fn form(pem: &str) -> String {
    let encoded: String = pem
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("pem={encoded}")
}

#[tokio::test]
async fn the_proof_of_an_issued_certificate_is_explained() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_path_buf();
    let options = Options { folder, https_port: Some(0), directory_port: Some(0), ..Options::default() };
    let server = Homeserver::start(&options).await.unwrap();
    let (http, log) = (self_proving_http(), server.ready().log.clone());
    let figures = server.ready().acme.replace("/acme/directory", "/directory/metrics");
    let figures = http.get(figures).send().await.unwrap().text().await.unwrap();
    assert!(figures.contains("\ninperson_directory_people 0\n"), "{figures}");
    let page = http.get(&log).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("Latest checkpoints") && page.contains("localhost/witness") && page.contains("well"),
        "{page}"
    );

    let kept = std::fs::read_to_string(place.path().join("services/localhost.pem")).unwrap();
    let begin = kept.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = kept.find("-----END CERTIFICATE-----").unwrap() + "-----END CERTIFICATE-----\n".len();
    let pem = &kept[begin..end];
    let explain = async |body: String| {
        let asked = http.post(format!("{log}/certificate")).header("content-type", "application/x-www-form-urlencoded");
        asked.body(body).send().await.unwrap().text().await.unwrap()
    };
    let page = explain(form(pem)).await;
    assert_eq!(page.matches('✓').count(), 3, "{page}");
    assert!(!page.contains('✗'), "{page}");

    // Another certificate of the same log under this one's proof: the commitment opens to something else.
    let mut der = pem_to_der(pem);
    let name = der.windows(9).position(|window| window == b"localhost").unwrap();
    der[name] = b'L';
    let page = explain(form(&der_to_pem(&der))).await;
    assert!(page.contains('✗'), "{page}");
    server.stop().await;
}

fn pem_to_der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn der_to_pem(der: &[u8]) -> String {
    use pkcs8::der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE", LineEnding::LF, der).unwrap()
}

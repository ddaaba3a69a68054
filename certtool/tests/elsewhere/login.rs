//! Logging in to a site by what `certtool install` gave NSS, Chromium and Firefox: nginx with what `certtool gen nginx` prints.

use std::fs;
use std::process::Command;

use device::MailKeyType;

use crate::nginx::nginx;
use crate::place::{ALICE, Done, Place, Server, other, run, skipped};
use crate::recipes::{port, printed};

/// What the page says to Alice.
const HELLO: &str = "SUCCESS CN=alice@example.org";

/// A site that lets in Alice alone, and her home with a certificate for mail in it.
struct Site {
    place: Place,
    port: u16,
    _server: Server,
}

impl Site {
    fn new(kind: MailKeyType) -> Self {
        let place = Place::new();
        place.mailbox(kind);
        let port = port();
        let server = nginx(&place, port, &printed(&place, "nginx", ALICE));
        Self { place, port, _server: server }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }

    /// The site's own certificate is by an authority that she trusts for sites, in a database of NSS.
    fn trusted(&self, database: &str) {
        let authority = self.place.at("server-root.pem");
        run("certutil", ["-A", "-d", database, "-t", "C,,", "-n", "sites", "-i", &authority]).good();
    }

    /// Who has come so far, as the site wrote it down, with the status of the answer.
    fn visitors(&self) -> String {
        fs::read_to_string(self.place.at("access.log")).unwrap()
    }

    /// A browser with her home as its own, which has so long for one page.
    fn browser(&self, command: Command) -> Done {
        let mut browser = other("timeout", ["-k", "10", "300"]);
        browser.arg(command.get_program()).args(command.get_args());
        browser.env("HOME", self.place.path()).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        browser.env_remove("XDG_RUNTIME_DIR").env_remove("DBUS_SESSION_BUS_ADDRESS").current_dir(self.place.path());
        Done::of(browser)
    }
}

fn is_installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(program).is_file())
}

#[test]
fn nss_logs_in_by_what_was_installed() {
    for kind in [MailKeyType::P256, MailKeyType::Rsa3072] {
        let site = Site::new(kind);
        let (database, empty) = (format!("sql:{}", site.place.at("hers")), format!("sql:{}", site.place.at("empty")));
        site.place.install(&["firefox", "--database", &site.place.at("hers")]).good();
        fs::create_dir(site.place.at("empty")).unwrap();
        run("certutil", ["-N", "-d", &empty, "--empty-password"]).good();
        let (port, request) =
            (site.port.to_string(), site.place.write("request", b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"));
        let page = |database: &str, version: &str| {
            let versions = format!("{version}:{version}");
            let site = ["-4", "-h", "localhost", "-p", &port, "-d", database, "-V", &versions];
            // The request goes first; which certificate fits, NSS finds by itself.
            run("tstclnt", [&site[..], &["-f", "-A", &request]].concat()).good()
        };
        for database in [&database, &empty] {
            site.trusted(database);
        }
        for version in ["tls1.2", "tls1.3"] {
            let hers = page(&database, version);
            assert!(hers.contains("HTTP/1.1 200 OK") && hers.ends_with(HELLO), "{version}: {hers}");
            let nobodys = page(&empty, version);
            assert!(nobodys.contains("No required SSL certificate was sent"), "{version}: {nobodys}");
        }
    }
}

/// Which certificate Chromium takes where, it is told by a policy of the machine. This one is seen by it alone.
const BY_POLICY: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /etc/chromium
mkdir -p /etc/chromium/policies/managed
cp "$0" /etc/chromium/policies/managed/
exec "$@"
"#;

/// How a program gets file systems of its own here.
fn apart() -> Option<Vec<&'static str>> {
    // Some kernels let everybody be root in a world of their own.
    let ways = [vec!["--mount"], vec!["--mount", "--user", "--map-root-user"]];
    let mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    ways.into_iter().find(|way| run("unshare", [&way[..], &mount].concat()).either().0)
}

#[test]
#[ignore = "needs Chromium; run by ./test --all"]
fn chromium_logs_in_and_shows_the_page() {
    let (true, Some(apart)) = (is_installed("chromium"), apart()) else {
        return skipped("no chromium that takes a policy of its own (Debian package chromium; namespaces)");
    };
    let site = Site::new(MailKeyType::P256);
    site.place.install(&["chromium"]).good();
    site.trusted(&format!("sql:{}", site.place.at(".pki/nssdb")));
    let choice = format!(r#"{{"pattern":"https://localhost:{}","filter":{{}}}}"#, site.port);
    let policy = serde_json::json!({ "AutoSelectCertificateForUrls": [choice] }).to_string();
    let policy = site.place.write("certificates.json", policy.as_bytes());
    let mut chromium = other("unshare", &apart);
    chromium.args(["sh", "-ec", BY_POLICY, &policy, "chromium"]);
    // Its sandbox does not run as root, and the page is our own.
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", &site.url()]);
    let (well, page) = site.browser(chromium).either();
    assert!(well && page.contains(HELLO), "{page}\n{}", site.visitors());
}

/// She lets Firefox choose; and nobody is asked for anything but the page.
const FIREFOX: &str = r#"
user_pref("security.default_personal_cert", "Select Automatically");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.normandy.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
"#;

#[test]
#[ignore = "needs Firefox; run by ./test --all"]
fn firefox_logs_in_and_shows_the_page() {
    if !is_installed("firefox-esr") {
        return skipped("no firefox-esr (Debian package firefox-esr)");
    }
    let site = Site::new(MailKeyType::P256);
    let list = "[Profile0]\nName=hers\nIsRelative=1\nPath=hers\n";
    site.place.write(".mozilla/firefox/profiles.ini", list.as_bytes());
    site.place.write(".mozilla/firefox/hers/user.js", FIREFOX.as_bytes());
    site.place.install(&["firefox", "--into", "hers"]).good();
    let profile = site.place.at(".mozilla/firefox/hers");
    site.trusted(&format!("sql:{profile}"));
    let picture = site.place.at("page.png");
    let mut firefox = other("firefox-esr", ["--headless", "--no-remote", "--profile", &profile]);
    firefox.args(["--screenshot", &picture, &site.url()]);
    let (well, said) = site.browser(firefox).either();
    let visitors = site.visitors();
    assert!(well && visitors.starts_with(&format!("{HELLO} 200")), "{said}\n{visitors}");
    assert!(fs::metadata(picture).is_ok_and(|picture| picture.len() > 0), "{said}");
}

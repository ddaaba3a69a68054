//! PostgreSQL with the settings that `certtool gen postgres` prints, and psql with what was exported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Done, PASSPHRASE, Place, Server, run};
use crate::recipes::{ALICE, port};

const PATIENCE: Duration = Duration::from_secs(120);

/// A server that is being set up, and then runs. Whoever comes to it from this machine is let in, but for what settings say.
struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: String,
    server: Option<Server>,
}

impl Postgres {
    /// With a certificate of its own, as the settings take for granted.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Debian keeps the programs out of the path.
        let versions = fs::read_dir("/usr/lib/postgresql").unwrap().map(|version| version.unwrap().path().join("bin"));
        let programs = versions.filter(|bin| bin.join("initdb").is_file()).max().unwrap();
        let postgres = Self { folder, programs, port: port().to_string(), server: None };
        postgres.owned();
        let options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"];
        let mut initdb = postgres.unprivileged("initdb");
        initdb.args(options).arg("-D").arg(postgres.folder.path().join("data"));
        Done::of(initdb).good();
        let (certificate, key) = (postgres.at("data/server.crt"), postgres.at("data/server.key"));
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
        let names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &certificate];
        run("openssl", [&new[..], &names].concat()).good();
        postgres
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// It refuses to run as root, and to read files of others.
    fn owned(&self) {
        if rustix::process::getuid().is_root() {
            run("chown", ["-R", "postgres:postgres", &self.at("")]).good();
        }
    }

    /// One that does not outlive the test either.
    fn unprivileged(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).current_dir("/");
        if rustix::process::getuid().is_root() {
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
        }
        command.arg("--").arg(self.programs.join(program));
        command
    }

    /// Puts what was printed where it says: one paragraph for each file.
    fn set(&self, printed: &str) {
        for paragraph in printed.split("\n\n") {
            let Some((_, rest)) = paragraph.split_once("# Into ") else { continue };
            let file = self.at("data/") + &rest[..rest.find(".conf").unwrap()] + ".conf";
            let before = fs::read_to_string(&file).unwrap();
            fs::write(&file, format!("{paragraph}\n{before}")).unwrap();
        }
    }

    fn start(&mut self) {
        self.owned();
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(self.at("data")).args(["-k", &self.at(""), "-p", &self.port]);
        let log = fs::File::create(self.at("log")).unwrap();
        command.args(["-c", "listen_addresses=localhost"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.server = Some(Server(command.spawn().unwrap()));
        let begun = Instant::now();
        while !self.ask(Path::new("/"), "host=localhost user=postgres", "select 1").either().0 {
            let log = fs::read_to_string(self.at("log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL did not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it answers whoever comes to it like this from a folder.
    fn ask(&self, from: &Path, connection: &str, statement: &str) -> Done {
        let mut psql = Command::new(self.programs.join("psql"));
        let connection = format!("dbname=postgres {connection} port={} sslpassword='{PASSPHRASE}'", self.port);
        psql.args(["-XAtw", "-v", "ON_ERROR_STOP=1", "-c", statement, &connection]).current_dir(from);
        Done::of(psql)
    }
}

/// What the line for psql says of the connection.
fn connection(printed: &str, postgres: &Postgres) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix("# psql '")).unwrap().trim_end_matches('\'');
    line.replace("SERVER-CA.pem", &postgres.at("data/server.crt")).replace("SERVER", "localhost")
}

#[test]
fn postgresql_lets_in_whom_the_settings_name_and_nobody_else() {
    let place = Place::new();
    let [alice, bob, carol] = [ALICE, "bob@example.org", "carol@example.org"].map(|address| place.device_of(address));
    let mut postgres = Postgres::new();
    let anchors = place.certtool(&["gen", "anchors", &alice.0]).good();
    fs::write(postgres.at("anchors.pem"), anchors).unwrap();
    let printed = |certificate: &str, more: &[&str]| {
        let settings = ["gen", "postgres", certificate, "--anchors", &postgres.at("anchors.pem")];
        place.certtool(&[&settings[..], more].concat()).good()
    };
    // A role by the name of a keyword is still one role.
    let (hers, carols) = (printed(&alice.0, &[]), printed(&carol.0, &["--role", "all"]));
    postgres.set(&hers);
    postgres.set(&carols);
    postgres.start();
    for settings in [&hers, &carols] {
        let create = settings.lines().find_map(|line| line.strip_prefix("# Once, in psql: ")).unwrap();
        postgres.ask(Path::new("/"), "host=localhost user=postgres", create).good();
    }
    let (as_alice, as_all) = (connection(&hers, &postgres), connection(&carols, &postgres));
    let who = |certificate: &(String, String), connection: &str| {
        let folder = Path::new(&certificate.1).parent().unwrap();
        postgres.ask(folder, connection, "select session_user").either()
    };
    assert_eq!(who(&alice, &as_alice), (true, format!("{ALICE}\n")));
    assert_eq!(who(&carol, &as_all), (true, "all\n".to_owned()));
    // Theirs is another name; and who is named may log in as nobody else.
    for (certificate, address, role) in
        [(&bob, "bob@example.org", ALICE), (&carol, "carol@example.org", ALICE), (&alice, ALICE, "all")]
    {
        let connection = format!(
            "host=localhost user={role} sslmode=verify-full sslrootcert={} sslcert={address}.pem sslkey={address}.pem",
            postgres.at("data/server.crt")
        );
        let (well, said) = who(certificate, &connection);
        assert!(!well && said.contains("certificate authentication failed"), "{address} as {role}: {said}");
    }
    // Nor does anybody get her role without a certificate, or without TLS.
    for (mode, why) in [("require", "requires a valid client certificate"), ("disable", "pg_hba.conf rejects")] {
        let (well, said) = who(&bob, &format!("host=localhost user={ALICE} sslmode={mode}"));
        assert!(!well && said.contains(why), "{mode}: {said}");
    }
    // Another authority's certificate with her name.
    let (certificate, key) = (place.at("stranger.pem"), place.at("stranger.key"));
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key, "-out", &certificate];
    // openssl, too, takes a plus sign for the joint of two names.
    run("openssl", [&new[..], &["-subj", &format!("/CN={}", ALICE.replace('+', "\\+"))]].concat()).good();
    let stranger = format!("host=localhost user={ALICE} sslmode=require sslcert={certificate} sslkey={key}");
    let (well, said) = who(&bob, &stranger);
    assert!(!well && said.contains("SSL"), "{said}");
}

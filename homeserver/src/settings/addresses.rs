//! What follows from the settings: names and addresses.

use directory::Observation;

use super::{Settings, is_shard_name};
use crate::options::DIRECT;

impl Settings {
    /// The first log's origin line.
    #[must_use]
    pub fn origin(&self) -> String {
        if let Some(log) = &self.log_elsewhere {
            return log.origin();
        }
        self.shard_origin(&self.log_year.to_string())
    }

    /// The origin line of the log of this name.
    #[must_use]
    pub fn shard_origin(&self, name: &str) -> String {
        format!("{}:{}/log/{name}", self.domain, self.https_port)
    }

    /// The name of a later log of this server; none if it is no such log's origin.
    #[must_use]
    pub fn shard_name<'a>(&'a self, origin: &'a str) -> Option<&'a str> {
        if let Some(log) = &self.log_elsewhere {
            return log.name_of(origin);
        }
        let name = origin.strip_prefix(&self.shard_origin(""))?;
        is_shard_name(name).then_some(name)
    }

    /// Whether a log of this origin is this server's, or could become so.
    #[must_use]
    pub fn is_own_log(&self, origin: &str) -> bool {
        self.origin() == origin || self.shard_name(origin).is_some()
    }

    /// The name of the witness in this process.
    #[must_use]
    pub fn witness(&self) -> String {
        format!("{}/witness", self.domain)
    }

    /// The address below which everything HTTPS is found, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://{}:{}", self.domain, self.https_port)
    }

    /// The address of what is served by plain HTTP, without a trailing slash; none if nothing is.
    #[must_use]
    pub fn plain_url(&self) -> Option<String> {
        self.http_port.map(|port| match port {
            80 => format!("http://{}", self.domain),
            port => format!("http://{}:{port}", self.domain),
        })
    }

    /// Where the directory's second port is.
    #[must_use]
    pub(crate) fn observation(&self) -> Observation {
        match self.observation_port {
            None => Observation::Beside,
            Some(0) => Observation::Off,
            Some(port) => Observation::At(port),
        }
    }

    /// Host and port of the directory. `localhost` may resolve to an address that nobody listens on (`::1`), so a
    /// server for this machine alone names the address itself.
    #[must_use]
    pub fn directory_address(&self) -> String {
        if self.domain == "localhost" && self.listen.is_loopback() {
            return std::net::SocketAddr::new(self.listen, self.directory_port).to_string();
        }
        format!("{}:{}", self.domain, self.directory_port)
    }

    /// Where mails go: a mail server's address without what may be a password.
    #[must_use]
    pub fn mails(&self) -> String {
        let url = match self.smtp.as_deref() {
            None => return "outbox".into(),
            Some(DIRECT) => return "the recipients' own servers".into(),
            Some(url) => url,
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("smtp", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
    }
}

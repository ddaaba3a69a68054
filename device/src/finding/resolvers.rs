//! Whom to ask: the resolvers that were named, or the system's, which are others in another network.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::srv::NamesError;

/// Where the system says which its resolvers are (resolv.conf(5)), and the most that is read of it (bytes).
const SYSTEM: &str = "/etc/resolv.conf";
const MAX_BYTES: u64 = 64 << 10;
/// The port of a resolver that is named without one.
const DNS_PORT: u16 = 53;
/// How long a resolver may take before the next one is asked.
const AGAIN: Duration = Duration::from_secs(3);

/// The resolvers.
pub(super) enum Resolvers {
    Named(TokioResolver),
    System(System),
}

/// The system's, as its file said when it was read last. None can be had where it names none; that is told when it is needed.
pub(super) struct System {
    file: PathBuf,
    read: Mutex<Option<Read>>,
}

/// The bytes of the file, and what came of them.
type Read = (Vec<u8>, Result<TokioResolver, NamesError>);

impl Resolvers {
    /// These, each an address with a port or without; the system's, if none is named.
    pub(super) fn open(named: &[String]) -> Result<Self, NamesError> {
        let servers = named.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Ok(Self::System(System::at(Path::new(SYSTEM))));
        }
        let config = ResolverConfig::from_name_servers(servers.into_iter().map(name_server).collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        build(builder).map(Self::Named).map_err(|error| NamesError::System(error.to_string()))
    }

    /// Those of the moment.
    pub(super) fn now(&self) -> Result<TokioResolver, NamesError> {
        match self {
            Self::Named(resolver) => Ok(resolver.clone()),
            Self::System(system) => system.now(),
        }
    }
}

impl System {
    fn at(file: &Path) -> Self {
        Self { file: file.to_owned(), read: Mutex::default() }
    }

    /// Reads the file again: a device that changed its network has other resolvers, and the old ones may be out of reach.
    fn now(&self) -> Result<TokioResolver, NamesError> {
        let unreadable = |error: std::io::Error| NamesError::System(format!("{}: {error}", self.file.display()));
        let length = std::fs::metadata(&self.file).map_err(unreadable)?.len();
        if length > MAX_BYTES {
            let reason = format!("{}: expected at most {MAX_BYTES} bytes, found {length}", self.file.display());
            return Err(NamesError::System(reason));
        }
        let text = std::fs::read(&self.file).map_err(unreadable)?;
        // A panic elsewhere leaves the value whole.
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((read, resolver)) if *read == text => resolver.clone(),
            _ => {
                let resolver = parsed(&text).map_err(|error| NamesError::System(error.to_string()));
                *known = Some((text, resolver.clone()));
                resolver
            }
        }
    }
}

fn parsed(text: &[u8]) -> Result<TokioResolver, NetError> {
    let (config, options) = parse_resolv_conf(text)?;
    build(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options))
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.timeout = AGAIN;
    options.attempts = 2;
    options.try_tcp_on_error = true;
    builder.build()
}

fn address(text: &str) -> Result<SocketAddr, NamesError> {
    let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse().ok().or_else(alone).ok_or_else(|| NamesError::Resolver(text.chars().take(64).collect()))
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_addresses() {
        assert_eq!(address("192.0.2.53").unwrap(), "192.0.2.53:53".parse().unwrap());
        assert_eq!(address("[2001:db8::53]:5353").unwrap(), "[2001:db8::53]:5353".parse().unwrap());
        for wrong in ["", "dns.example", "192.0.2.53:", "192.0.2.53:99999"] {
            assert!(Resolvers::open(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_systems_resolvers_are_read_again_when_they_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let system = System::at(&file);
        let ndots = |text: &str| {
            std::fs::write(&file, text).unwrap();
            system.now().map(|resolver| resolver.options().ndots)
        };
        // What is looked at stands in the file beside the servers, which a resolver does not tell.
        assert_eq!(ndots("nameserver 192.0.2.1\noptions ndots:3\n").unwrap(), 3);
        assert_eq!(ndots("nameserver 192.0.2.2\noptions ndots:5\n").unwrap(), 5);
        assert!(matches!(ndots("# none\n"), Err(NamesError::System(_))));
        assert_eq!(ndots("nameserver 192.0.2.1\noptions ndots:3\n").unwrap(), 3, "a network that came back");
        std::fs::remove_file(&file).unwrap();
        let missing = system.now().err().unwrap().to_string();
        assert!(missing.contains("resolv.conf"), "{missing}");
    }
}

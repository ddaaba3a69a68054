//! The ports: TCP for HTTPS, UDP for the directory. Bound before anything is made, because their numbers are part of the
//! server's name; and kept, so that nobody takes them while the rest is made.

use std::io;
use std::net::{SocketAddr, TcpListener};

use directory::{BindError, Sockets};

use crate::error::StartError;
use crate::settings::Settings;

/// All ports, bound.
#[derive(Debug)]
pub struct Ports {
    /// HTTPS.
    pub https: TcpListener,
    /// Plain HTTP, for what certificates for mail name.
    pub http: Option<TcpListener>,
    /// Where the directory will listen, with the second port beside it.
    pub directory: Sockets,
}

/// Binds the ports that `settings` name; writes free ones into it where it says 0.
///
/// # Errors
/// A port is taken, or the address is not this machine's.
pub fn bind(settings: &mut Settings) -> Result<Ports, StartError> {
    let (https, bound) = tcp(SocketAddr::new(settings.listen, settings.https_port), "--https-port")?;
    settings.https_port = bound;
    let http = match settings.http_port {
        None => None,
        Some(port) => {
            let (http, bound) = tcp(SocketAddr::new(settings.listen, port), "--http-port")?;
            settings.http_port = Some(bound);
            Some(http)
        }
    };
    let directory_address = SocketAddr::new(settings.listen, settings.directory_port);
    let directory =
        Sockets::bind(directory_address, settings.observation()).map_err(|error| udp(directory_address, error))?;
    let bound = directory.local_addr().map_err(|source| port("UDP", "--directory-port", directory_address, source))?;
    settings.directory_port = bound.port();
    Ok(Ports { https, http, directory })
}

/// A TCP port, and its number.
fn tcp(address: SocketAddr, option: &'static str) -> Result<(TcpListener, u16), StartError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?.port();
        Ok((listener, bound))
    });
    bound.map_err(|source| port("TCP", option, address, source))
}

/// Which of the directory's two ports it is.
fn udp(first: SocketAddr, error: BindError) -> StartError {
    match error {
        BindError::Socket { address, reason } if address == first => port("UDP", "--directory-port", address, reason),
        BindError::Socket { address, reason } => port("UDP", "--observation-port", address, reason),
        other @ (BindError::Tls(_) | BindError::Cluster(_)) => StartError::part("directory", &other),
    }
}

fn port(protocol: &'static str, option: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    StartError::Port { protocol, address, option, source }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::options::Options;

    #[test]
    fn free_ports_are_written_down_and_taken_ones_are_named_with_their_option() {
        let options = Options { https_port: Some(0), directory_port: Some(0), ..Options::default() };
        let mut settings = Settings::first(&options, 2026).unwrap();
        let ports = bind(&mut settings).unwrap();
        assert_eq!(settings.https_port, ports.https.local_addr().unwrap().port());
        assert_ne!(settings.directory_port, 0);

        let directory = (settings.listen, settings.directory_port);
        assert_eq!(UdpSocket::bind(directory).unwrap_err().kind(), io::ErrorKind::AddrInUse, "nobody can take it");

        let refused = bind(&mut settings.clone()).unwrap_err();
        assert!(refused.to_string().contains(&settings.https_port.to_string()), "{refused}");
        assert!(refused.remedy().contains("--https-port"));

        drop(ports);
        let _udp = UdpSocket::bind((settings.listen, settings.directory_port)).unwrap();
        let refused = bind(&mut settings.clone()).unwrap_err();
        assert!(refused.to_string().contains(&settings.directory_port.to_string()), "{refused}");
        assert!(refused.remedy().contains("--directory-port"));

        settings.directory_port = 0;
        settings.observation_port = Some(directory.1);
        let refused = bind(&mut settings).unwrap_err();
        assert!(refused.remedy().contains("--observation-port"), "{refused}");
    }
}

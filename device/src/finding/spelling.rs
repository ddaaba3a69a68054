//! One spelling for each directory, so that two people of one are found in one: policies and cards may write its address in
//! several.

use std::net::SocketAddr;

use identity::trust::DirectoryEntry;

/// The same directory, its address in lower case without the root's dot, an IP address in its shortest form (RFC 5952). Its
/// name has one spelling already.
pub(super) fn spelled(DirectoryEntry { name, address }: DirectoryEntry) -> DirectoryEntry {
    let ip = address.parse::<SocketAddr>().ok().map(|address| address.to_string());
    let host = || {
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        Some(format!("{}:{port}", host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()))
    };
    let address = ip.or_else(host).unwrap_or(address);
    DirectoryEntry { name, address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_spelling() {
        let address_of = |address: &str| {
            let entry = DirectoryEntry { name: "dir.example".to_owned(), address: address.to_owned() };
            spelled(entry).address
        };
        for (written, one) in [
            ("Dir.Example:8444", "dir.example:8444"),
            ("dir.example.:08444", "dir.example:8444"),
            ("192.0.2.1:8444", "192.0.2.1:8444"),
            ("[2001:DB8:0:0::1]:8444", "[2001:db8::1]:8444"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(address_of(written), one);
        }
    }
}

//! Which addresses a device may offer. A callee sends packets to every candidate: a list is a request to do so, and whoever
//! writes it must not be able to aim people at machines that no caller can have.

use directory_protocol::limits::MAX_CANDIDATES;
use directory_protocol::message::ErrorCode;
use std::net::{IpAddr, SocketAddr};

/// Refuses too long a list, and any address that no device can be reached at.
pub(crate) fn check(candidates: &[SocketAddr], loopback: bool) -> Result<(), ErrorCode> {
    if candidates.len() <= MAX_CANDIDATES && candidates.iter().all(|address| acceptable(address, loopback)) {
        Ok(())
    } else {
        Err(ErrorCode::BadCandidates)
    }
}

fn acceptable(address: &SocketAddr, loopback: bool) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    // 0.0.0.0/8 is "this network" (RFC 1122 section 3.2.1.3): as a destination, some systems take it for themselves.
    let this_network = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 0);
    address.port() != 0
        && !ip.is_unspecified()
        && !this_network
        && !ip.is_multicast()
        && !broadcast
        && (loopback || !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(address: &str, loopback: bool) -> bool {
        check(&[address.parse().unwrap()], loopback).is_ok()
    }

    #[test]
    fn ordinary_addresses_are_taken() {
        for address in ["192.0.2.7:4433", "10.0.0.8:1", "[2001:db8::1]:65535", "[fe80::1]:443"] {
            assert!(verdict(address, false), "{address}");
        }
    }

    #[test]
    fn addresses_nobody_has_are_refused() {
        for address in [
            "0.0.0.0:9",
            "0.1.2.3:9",
            "192.0.2.7:0",
            "224.0.0.1:9",
            "255.255.255.255:9",
            "[::]:9",
            "[ff02::1]:9",
            "[::ffff:224.0.0.1]:9",
        ] {
            assert!(!verdict(address, true), "{address}");
        }
    }

    #[test]
    fn loopback_is_for_a_directory_on_loopback() {
        for address in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(verdict(address, true), "{address}");
            assert!(!verdict(address, false), "{address}");
        }
    }

    #[test]
    fn eight_are_enough() {
        let list = vec!["192.0.2.7:4433".parse().unwrap(); 9];
        assert!(check(&list[..8], false).is_ok());
        assert_eq!(check(&list, false), Err(ErrorCode::BadCandidates));
    }
}

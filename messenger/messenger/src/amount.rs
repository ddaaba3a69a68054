//! Sizes, rates and spans of time, as people say them.

/// A size in bytes: `2.4 MB`, by the decimal prefixes that disks and networks are sold by.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // In whole tenths, rounded down: nothing is said to be done that is not.
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    match tenths {
        0..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

/// How much of it is done: whole percent, and 100 only of all.
pub(crate) fn percent(done: u64, bytes: u64) -> u64 {
    match bytes {
        0 => 0,
        bytes => (u128::from(done.min(bytes)) * 100 / u128::from(bytes)) as u64,
    }
}

/// What of a folder is not offered: links, devices, pipes, sockets; nothing if all of it is.
pub(crate) fn left_out(count: u64) -> Option<String> {
    match count {
        0 => None,
        1 => Some("without a link or device".to_owned()),
        count => Some(format!("without {count} links or devices")),
    }
}

/// A span of time in its two largest units: `1 min 5 s`.
pub(crate) fn span(seconds: u64) -> String {
    let two = |(large, name): (u64, &str), (small, other): (u64, &str)| match small {
        0 => format!("{large} {name}"),
        small => format!("{large} {name} {small} {other}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => two((seconds / 3600, "h"), (seconds / 60 % 60, "min")),
        _ => two((seconds / 86_400, "d"), (seconds / 3600 % 24, "h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_never_more_than_there_is() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (2_449_999, "2.4 MB"),
            (10_000_000, "10 MB"),
            (999_999_999, "999 MB"),
            (1_000_000_000, "1.0 GB"),
            (107_374_182_400, "107 GB"),
            (u64::MAX, "18446 PB"),
        ] {
            assert_eq!(size(bytes), said, "{bytes}");
        }
    }

    #[test]
    fn all_is_a_hundred_percent_and_nothing_else_is() {
        assert_eq!([percent(0, 9), percent(8, 9), percent(9, 9), percent(10, 9), percent(0, 0)], [0, 88, 100, 100, 0]);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }

    #[test]
    fn spans_have_two_units() {
        let said = [0, 59, 60, 65, 3600, 3660, 90_000].map(span);
        assert_eq!(said, ["0 s", "59 s", "1 min", "1 min 5 s", "1 h", "1 h 1 min", "1 d 1 h"]);
    }
}

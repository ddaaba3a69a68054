//! Messages to and from witnesses and mirrors: the specifications' examples, round trips, and texts named
//! by their fault.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;

use proptest::prelude::*;
use tlog_proof::add_entries::PACKAGES_PER_REQUEST;
use tlog_proof::{
    AddCheckpoint, AddEntries, Frontier, Hash, HashReader, MirrorInfo, Package, PackageError, PackageRange,
    SignSubtree, TILE_WIDTH, UnverifiedCheckpoint, empty_root, format_size, leaf_hash, node_hash, packages,
    parse_cosignatures, parse_size, prove_subtree,
};

/// C2SP tlog-witness, "add-checkpoint": the example request.
const REQUEST: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";

/// C2SP tlog-witness, the example answer.
const ANSWER: &str = "— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
";

/// C2SP tlog-witness, "sign-subtree": the example request without signatures.
const SUBTREE_REQUEST: &str = "subtree 8 13
mbsQCg+dEIMGlpqeGgk94JutQwKKS2Lo5IuDhKmDjiU=
CD82D2LDm0phY0+xKbHyZfq3Hw21lVkuV7Zis5EFg0k=
h/ghL5nyaXTIBAklqDnisM+SFdbA3izoGZ5oRYMZzc0=
8qtnAAU9sTKQx/zt3E4v8Jt2a9IMQUf0QUawvePF9y0=
KuO5BNOmginG34Lm5G3e2GuiWliGo3K0ebzGpvI0fEg=

example.com/behind-the-sofa
14
/CcKVZM9n65aH7jLaIZuUB4/MSlEFQ4+ldwUC21rDHM=
";

#[test]
fn add_checkpoint_example() {
    let request = AddCheckpoint::parse(REQUEST).unwrap();
    assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
    assert_eq!(UnverifiedCheckpoint::parse(&request.checkpoint).unwrap().note().signatures().len(), 2);
    assert_eq!(request.to_string(), REQUEST);
    let answer = parse_cosignatures(ANSWER).unwrap();
    assert_eq!(answer.iter().map(|line| format!("{line}\n")).collect::<String>(), ANSWER);
    assert_eq!((parse_size("20852014\n"), format_size(20_852_014).as_str()), (Ok(20_852_014), "20852014\n"));
}

#[test]
fn add_checkpoint_faults() {
    let faults = [
        ("empty", String::new()),
        ("without_old", REQUEST.replace("old 20852014\n", "")),
        ("leading_zero", REQUEST.replace("old 2", "old 02")),
        ("two_spaces", REQUEST.replace("old ", "old  ")),
        ("hash_cut_short", REQUEST.replace("PlRN", "")),
        (
            "sixty_four_hashes",
            REQUEST.replace("\n\nex", &format!("\n{}\nex", format!("{}\n", empty_root()).repeat(60))),
        ),
        ("without_empty_line", "old 0\n".to_owned()),
        ("too_large", format!("{REQUEST}{}", "a".repeat(140_000))),
    ];
    for (fault, body) in faults {
        assert!(AddCheckpoint::parse(&body).is_err(), "{fault}");
    }
    assert!(AddCheckpoint::parse(b"old 0\n\n\xff").is_err());
    for body in ["", "\n", "20852014", "1\n1\n", "01\n", "-1\n", "18446744073709551616\n", " 1\n"] {
        assert!(parse_size(body).is_err(), "{body:?}");
    }
    for body in ["", "\n", ANSWER.trim_end(), &ANSWER.repeat(30), &format!("{ANSWER}\n"), &ANSWER.replace('—', "-")] {
        assert!(parse_cosignatures(body).is_err(), "{body:?}");
    }
}

#[test]
fn sign_subtree_example() {
    let request = SignSubtree::parse(SUBTREE_REQUEST).unwrap();
    assert_eq!((request.subtree.start(), request.subtree.end(), request.proof.len()), (8, 13, 4));
    assert_eq!(request.to_string(), SUBTREE_REQUEST);
    // With cosignatures of the subtree, which stand before the proof.
    let line = "— log.example AAAAAAAAAAAAAAAA\n";
    let with = SUBTREE_REQUEST.replace("CD82", &format!("{line}{line}CD82"));
    let request = SignSubtree::parse(&with).unwrap();
    assert_eq!((request.cosignatures.len(), request.to_string()), (2, with));
    let faults = [
        ("no_subtree", SUBTREE_REQUEST.replace("8 13", "8 17")),
        ("empty", SUBTREE_REQUEST.replace("8 13", "8 8")),
        ("leading_zero", SUBTREE_REQUEST.replace("8 13", "08 13")),
        ("one_number", SUBTREE_REQUEST.replace("8 13", "8")),
        ("signature_within_proof", SUBTREE_REQUEST.replace("h/gh", &format!("{line}h/gh"))),
        ("nine_signatures", SUBTREE_REQUEST.replace("CD82", &format!("{}CD82", line.repeat(9)))),
        ("without_hash", "subtree 8 13\n\n".to_owned()),
    ];
    for (fault, body) in faults {
        assert!(SignSubtree::parse(&body).is_err(), "{fault}");
    }
}

#[test]
fn mirror_info() {
    let info = MirrorInfo { size: 70_000, next: 256, ticket: b"a ticket".to_vec() };
    assert_eq!(info.to_string(), "70000\n256\nYSB0aWNrZXQ=\n");
    assert_eq!(MirrorInfo::parse(info.to_string()), Ok(info));
    assert_eq!(MirrorInfo::parse("0\n0\n\n"), Ok(MirrorInfo { size: 0, next: 0, ticket: Vec::new() }));
    for body in ["", "1\n2\n", "1\n2\n\n\n", "1\n2\nYQ\n", "01\n2\n\n", "1\n2\n\nx", "1\n-2\n\n"] {
        assert!(MirrorInfo::parse(body).is_err(), "{body:?}");
    }
}

#[test]
fn add_entries_header_bytes() {
    let header = AddEntries { origin: "log.example".into(), start: 5, end: 600, ticket: b"tt".to_vec() };
    let expected = [
        [0, 11].as_slice(), // length of the origin
        b"log.example",
        &5u64.to_be_bytes(),   // upload_start
        &600u64.to_be_bytes(), // upload_end
        &[0, 2],               // length of the ticket
        b"tt",
    ]
    .concat();
    assert_eq!(header.encode().unwrap(), expected);
    let mut stream = [&expected[..], b"rest"].concat();
    let mut rest = stream.as_slice();
    assert_eq!((AddEntries::parse(&mut rest), rest), (Ok(Some(header)), b"rest".as_slice()));
    for cut in 0..expected.len() {
        let mut rest = &expected[..cut];
        assert_eq!((AddEntries::parse(&mut rest), rest.len()), (Ok(None), cut), "wants more, and takes nothing");
    }
    stream[13..21].copy_from_slice(&601u64.to_be_bytes());
    assert!(AddEntries::parse(&mut stream.as_slice()).is_err(), "ends before it starts");
    stream[2] = 0xff;
    assert!(AddEntries::parse(&mut stream.as_slice()).is_err(), "not UTF-8");
    assert!(AddEntries::parse(&mut [0; 20].as_slice()).is_err(), "no origin");
    let long = AddEntries { origin: "o".repeat(65_536), start: 0, end: 0, ticket: Vec::new() };
    assert_eq!(long.encode(), None);
}

/// C2SP tlog-mirror, "add-entries": where packages begin and end.
#[test]
fn canonical_sequence_of_packages() {
    let ranges = |start, end| packages(start, end).map(|range| (range.start, range.end)).collect::<Vec<_>>();
    assert_eq!(ranges(0, 0), []);
    assert_eq!(ranges(7, 7), []);
    assert_eq!(ranges(0, 256), [(0, 256)]);
    assert_eq!(ranges(5, 600), [(5, 256), (256, 512), (512, 600)]);
    assert_eq!(ranges(300, 301), [(300, 301)]);
    assert_eq!(ranges(9, 3), []);
    assert_eq!(ranges(u64::MAX - 1, u64::MAX), [(u64::MAX - 1, u64::MAX)]);
    let subtree = PackageRange { start: 300, end: 301 }.subtree().unwrap();
    assert_eq!((subtree.start(), subtree.end()), (256, 301));
    assert_eq!(PackageRange { start: 200, end: 300 }.subtree(), None);
    assert_eq!(PACKAGES_PER_REQUEST, 32);
}

struct Leaves(Vec<Hash>);

impl HashReader for Leaves {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let leaves = &self.0[(index << level) as usize..((index + 1) << level) as usize];
        let mut row = leaves.to_vec();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(row[0])
    }
}

/// A log of 600 entries uploaded from 5, as one stream, to a mirror that has the first five.
#[test]
fn an_upload_is_proven_package_by_package() {
    let entries: Vec<Vec<u8>> = (0..600u32).map(|n| format!("entry {n}").into_bytes()).collect();
    let mut leaves = Leaves(entries.iter().map(|entry| leaf_hash(entry)).collect());
    let mut tree = Frontier::new();
    leaves.0.iter().for_each(|leaf| tree.push(*leaf));
    let mut stream = Vec::new();
    for range in packages(5, 600) {
        let Ok(proof) = prove_subtree(&mut leaves, range.subtree().unwrap(), 600);
        let package = Package { entries: entries[range.start as usize..range.end as usize].to_vec(), proof };
        stream.extend(package.encode().unwrap());
    }
    let mut rest = stream.as_slice();
    let mut taken = 5;
    for range in packages(5, 600) {
        let package = Package::parse(&mut rest, range).unwrap().unwrap();
        let preceding = &leaves.0[range.subtree().unwrap().start() as usize..range.start as usize];
        for fault in altered(&package) {
            assert!(fault.verify(range, preceding, 600, &tree.root()).is_err());
        }
        let smaller = package.clone().verify(range, preceding, range.end - 1, &tree.root());
        assert!(smaller.is_err(), "a tree that ends within the package");
        assert!(package.clone().verify(range, preceding, 600, &empty_root()).is_err(), "another root");
        if !preceding.is_empty() {
            let refused = package.clone().verify(range, &preceding[1..], 600, &tree.root());
            assert_eq!(refused, Err(PackageError::Preceding { expected: 5, found: 4 }));
        }
        let verified = package.verify(range, preceding, 600, &tree.root()).unwrap();
        assert_eq!((verified.range(), verified.entries()), (range, &entries[taken..range.end as usize]));
        assert_eq!(verified.leaves(), &leaves.0[taken..range.end as usize]);
        taken = range.end as usize;
    }
    assert_eq!((taken, rest.len()), (600, 0));
}

fn altered(package: &Package) -> Vec<Package> {
    let mut faults = vec![package.clone(); 4];
    faults[0].entries[0].push(b'!');
    faults[1].entries.pop();
    faults[2].proof.pop();
    faults[3].proof[0] = empty_root();
    faults
}

#[test]
fn package_limits() {
    let range = PackageRange { start: 0, end: 2 };
    let package = Package { entries: vec![b"one".to_vec(), Vec::new()], proof: vec![empty_root(); 63] };
    let bytes = package.encode().unwrap();
    assert_eq!(bytes[..8], *b"\x00\x03one\x00\x00\x3f");
    for cut in 0..bytes.len() {
        assert_eq!(Package::parse(&mut &bytes[..cut], range), Ok(None));
    }
    assert_eq!(Package::parse(&mut bytes.as_slice(), range), Ok(Some(package)));
    assert!(Package::parse(&mut [0, 0, 0, 0, 64].as_slice(), range).is_err(), "64 hashes");
    let wide = PackageRange { start: 0, end: TILE_WIDTH + 1 };
    assert!(Package::parse(&mut bytes.as_slice(), wide).is_err(), "257 entries");
    assert_eq!(Package { entries: Vec::new(), proof: vec![empty_root(); 64] }.encode(), None);
    assert_eq!(Package { entries: vec![vec![0; 65_536]], proof: Vec::new() }.encode(), None);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), start: u64, count in 0u64..300) {
        let _refused = AddCheckpoint::parse(&bytes);
        let _refused = SignSubtree::parse(&bytes);
        let _refused = MirrorInfo::parse(&bytes);
        let _refused = parse_cosignatures(&bytes);
        let _refused = parse_size(&bytes);
        let _refused = AddEntries::parse(&mut bytes.as_slice());
        let _refused = Package::parse(&mut bytes.as_slice(), PackageRange { start, end: start.saturating_add(count) });
    }

    #[test]
    fn packages_cover_the_upload(start in 0u64..100_000, count in 0u64..3_000) {
        let ranges: Vec<PackageRange> = packages(start, start + count).collect();
        prop_assert_eq!(ranges.iter().map(|range| range.end - range.start).sum::<u64>(), count);
        prop_assert!(ranges.iter().all(|range| range.subtree().is_some()));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start && pair[1].start % 256 == 0));
    }
}

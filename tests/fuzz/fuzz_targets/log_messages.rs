//! What is said to witnesses, to mirrors and to logs elsewhere: no panic, what is read is written back, and a stream is read the same in
//! one piece or in several.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog_proof::submission::{Answer, Batch};
use tlog_proof::{
    AddCheckpoint, AddEntries, MirrorInfo, Package, PackageRange, SignSubtree, UnverifiedCheckpoint, empty_root, parse_cosignatures,
    parse_size,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes, "a request has one spelling");
        let _ = UnverifiedCheckpoint::parse(&request.checkpoint);
    }
    if let Ok(request) = SignSubtree::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes, "a request has one spelling");
    }
    if let Ok(info) = MirrorInfo::parse(bytes) {
        assert_eq!(info.to_string().as_bytes(), bytes, "an account has one spelling");
    }
    if let Ok(lines) = parse_cosignatures(bytes) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(text.as_bytes(), bytes, "signature lines have one spelling");
    }
    if let Ok(batch) = Batch::decode(bytes) {
        assert_eq!(batch.encode(), bytes, "a submission has one encoding");
    }
    for entries in [1, 2, 256] {
        if let Ok(answer) = Answer::decode(bytes, entries) {
            assert_eq!(Answer::decode(&answer.encode(), entries), Ok(answer), "what is read can be written");
        }
    }
    let _ = parse_size(bytes);
    upload(bytes);
});

/// A header and then packages, from one stream.
fn upload(bytes: &[u8]) {
    let mut rest = bytes;
    let Ok(Some(header)) = AddEntries::parse(&mut rest) else { return };
    let read = &bytes[..bytes.len() - rest.len()];
    assert_eq!(header.encode().as_deref(), Some(read), "a header has one encoding");
    assert_eq!(AddEntries::parse(&mut &read[..read.len() - 1]), Ok(None), "less than a header is no header");
    for range in tlog_proof::packages(header.start, header.end).take(4) {
        let before = rest;
        let Ok(Some(package)) = Package::parse(&mut rest, range) else { return };
        let read = &before[..before.len() - rest.len()];
        assert_eq!(package.encode().as_deref(), Some(read), "a package has one encoding");
        let preceding = vec![empty_root(); (range.start % 256) as usize];
        let _ = package.clone().verify(range, &preceding, header.end, &empty_root());
        let elsewhere = PackageRange { start: range.start, end: range.end.saturating_add(1) };
        let _ = package.verify(elsewhere, &[], header.end, &empty_root());
    }
}

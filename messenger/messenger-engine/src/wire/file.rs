//! Files: what is said about them is a [`super::Mark`]; their bytes have a channel of their own, on which each transfer that
//! runs has a stream.
//!
//! ```text
//! 3 │ head [transfer, request] │ manifest: pages, an empty one     (request for the manifest)
//! 3 │ head [transfer, request] │ bytes, hash │ bytes, hash │ ...   (request for files: from one on to the last)
//! ```

pub use file_transfer::{MAX_DEPTH, MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_PATH_BYTES, MAX_SIZE};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// The longest name of what is offered, in bytes of UTF-8: as long as a file's may be.
pub const MAX_FILE_NAME_BYTES: usize = 255;
/// The longest media type (RFC 6838 section 4.2: two names of 127 characters).
pub const MAX_MEDIA_TYPE_BYTES: usize = 255;
/// A page is full when its entries have so many bytes: with one more of the longest it is still a frame of 32 KiB.
pub const PAGE_BYTES: usize = 30 * 1024;
/// After each file comes its SHA-256.
pub const HASH_BYTES: usize = 32;

/// What is offered.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Outline {
    /// Its name, for people: where it is put is not its sender's to say.
    #[n(0)]
    pub name: String,
    /// Whether it is a folder: then a manifest names its files.
    #[n(1)]
    pub folder: bool,
    /// How many files; 1 if it is no folder.
    #[n(2)]
    pub files: u64,
    /// How many bytes they have together.
    #[n(3)]
    pub bytes: u64,
    /// What kind of file, by the sender's word.
    #[n(4)]
    pub media_type: Option<String>,
    /// The room in which it is offered; absent in a one-to-one conversation.
    #[n(5)]
    pub room: Option<ByteArray<16>>,
}

impl Outline {
    /// Whether every part is within its limit.
    pub fn is_bounded(&self) -> bool {
        let files = if self.folder { self.files <= MAX_ENTRIES } else { self.files == 1 };
        let media_type = self.media_type.as_ref().is_none_or(|kind| kind.len() <= MAX_MEDIA_TYPE_BYTES);
        files && media_type && self.name.len() <= MAX_FILE_NAME_BYTES && self.bytes <= MAX_SIZE
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Wanted {
    /// Which files a folder has.
    #[n(0)]
    Manifest,
    /// The files from one on, in the order of the manifest.
    #[n(1)]
    Files {
        /// The first; from 0.
        #[n(0)]
        entry: u64,
        /// Its first byte that is wanted; from 0.
        #[n(1)]
        offset: u64,
    },
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum End {
    /// Everything has come, and the hashes are right. Only the receiver of the files says so.
    #[n(0)]
    Done,
    /// It is not wanted; only of what was not accepted.
    #[n(1)]
    Refused,
    /// It is not wanted any more.
    #[n(2)]
    Cancelled,
    /// It cannot be done.
    #[n(3)]
    Failed,
}

/// What is said about a transfer.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum FileWord {
    /// The sender has this to give.
    #[n(0)]
    Offer {
        /// What.
        #[n(0)]
        what: Outline,
    },
    /// The sender wants this of what was offered to her: the first one says that she takes it, and each is answered with a
    /// stream in place of the one before.
    #[n(1)]
    Pull {
        /// Counts the requests of a transfer, from 1 on.
        #[n(0)]
        request: u64,
        /// What is wanted.
        #[n(1)]
        wanted: Wanted,
    },
    /// The sender lets it rest, or no longer.
    #[n(2)]
    Hold {
        /// Whether.
        #[n(0)]
        held: bool,
    },
    /// The sender wants this, which was offered to all in a room, offered to her under this transfer.
    #[n(4)]
    Ask {
        /// By what it was offered there.
        #[cbor(n(0), with = "minicbor::bytes")]
        offer: [u8; 16],
    },
    /// Nothing more comes of it.
    #[n(3)]
    Over {
        /// How it ended.
        #[n(0)]
        end: End,
        /// Why, for people; at most 256 bytes.
        #[n(1)]
        reason: Option<String>,
    },
}

impl FileWord {
    /// Whether every part is within its limit.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Offer { what } => what.is_bounded(),
            Self::Over { reason, .. } => reason.as_ref().is_none_or(|reason| reason.len() <= crate::MAX_REASON_BYTES),
            Self::Pull { .. } | Self::Hold { .. } | Self::Ask { .. } => true,
        }
    }

    /// The word's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::Pull { .. } => "pull",
            Self::Hold { .. } => "hold",
            Self::Ask { .. } => "ask",
            Self::Over { .. } => "over",
        }
    }
}

/// The first frame of a stream on the files channel: which request it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct FileHead {
    /// The transfer.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub transfer: [u8; 16],
    /// The request.
    #[n(1)]
    pub request: u64,
}

/// A part of a manifest; the one after the last is empty.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// Files, in the order in which they are sent.
    #[n(0)]
    pub entries: Vec<Entry>,
}

/// A file of a folder.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Its path in the folder, with `/` between the parts.
    #[n(0)]
    pub path: String,
    /// Its size in bytes.
    #[n(1)]
    pub size: u64,
}

impl Entry {
    /// Whether every part is within its limit. Whether it is a path that anything may be put under is for the receiver to say.
    pub fn is_bounded(&self) -> bool {
        (1..=MAX_PATH_BYTES).contains(&self.path.len())
            && self.path.split('/').count() <= MAX_DEPTH
            && self.size <= MAX_SIZE
    }

    /// What it takes on a page at most.
    pub fn weight(&self) -> usize {
        // Array, length of the text, size.
        self.path.len() + 1 + 3 + 9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, Mark, TalkFrame, body_length, decode, encode};

    fn outline() -> Outline {
        Outline { name: "tea".into(), folder: false, files: 1, bytes: 9, media_type: None, room: None }
    }

    #[test]
    fn the_bytes_of_what_is_said_about_files() {
        let cases: [(FileWord, &[u8]); 7] = [
            // an offer: [name, no folder, one file, nine bytes, of no kind, in no room]
            (FileWord::Offer { what: outline() }, &[0x82, 0x00, 0x84, 0x63, b't', b'e', b'a', 0xf4, 0x01, 0x09]),
            (FileWord::Pull { request: 1, wanted: Wanted::Manifest }, &[0x83, 0x01, 0x01, 0x81, 0x00]),
            (
                FileWord::Pull { request: 2, wanted: Wanted::Files { entry: 3, offset: 4 } },
                &[0x83, 0x01, 0x02, 0x83, 0x01, 0x03, 0x04],
            ),
            (FileWord::Hold { held: true }, &[0x82, 0x02, 0xf5]),
            (FileWord::Ask { offer: [0; 16] }, &[0x82, 0x04, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (FileWord::Over { end: End::Done, reason: None }, &[0x82, 0x03, 0x00]),
            (FileWord::Over { end: End::Failed, reason: Some("x".into()) }, &[0x83, 0x03, 0x03, 0x61, b'x']),
        ];
        for (word, expected) in cases {
            let frame = TalkFrame::Mark { number: 5, id: 7, mark: Mark::File { transfer: [0xf1; 16], word } };
            let bytes = encode(&frame, Channel::Talk).unwrap();
            // length 256; array of 4: kind 6, number 5, id 7; mark 7, the transfer
            let before = [&[0, 0, 1, 0, 0x84, 6, 5, 7, 0x83, 7, 0x50][..], &[0xf1; 16]].concat();
            assert_eq!(bytes[..before.len()], before);
            assert_eq!(bytes[before.len()..][..expected.len()], *expected, "{frame:?}");
            assert!(bytes[before.len() + expected.len()..].iter().all(|byte| *byte == 0), "{frame:?}");
            assert_eq!(decode(&bytes[4..]), Ok(Some(frame)));
        }
    }

    #[test]
    fn the_bytes_of_a_head_and_of_a_page() {
        let head = FileHead { transfer: [0xf1; 16], request: 2 };
        let bytes = encode(&head, Channel::Files).unwrap();
        assert_eq!(bytes[..7], [0, 0, 1, 0, 0x82, 0x50, 0xf1]);
        assert_eq!(bytes[22..24], [0x02, 0x00]);
        assert_eq!(decode(&bytes[4..]), Ok(Some(head)));
        let page = Page { entries: vec![Entry { path: "a/b".into(), size: 7 }] };
        let bytes = encode(&page, Channel::Files).unwrap();
        assert_eq!(bytes[4..12], [0x81, 0x81, 0x82, 0x63, b'a', b'/', b'b', 0x07]);
        assert!(decode::<Page>(&bytes[4..]).is_ok_and(|found| found == Some(page)));
    }

    #[test]
    fn limits() {
        let largest = Outline {
            name: "x".repeat(MAX_FILE_NAME_BYTES),
            folder: true,
            files: MAX_ENTRIES,
            bytes: MAX_SIZE,
            media_type: Some("x".repeat(MAX_MEDIA_TYPE_BYTES)),
            room: Some([7; 16].into()),
        };
        assert!(largest.is_bounded());
        let worse = [
            Outline { name: "x".repeat(MAX_FILE_NAME_BYTES + 1), ..outline() },
            Outline { media_type: Some("x".repeat(MAX_MEDIA_TYPE_BYTES + 1)), ..outline() },
            Outline { bytes: MAX_SIZE + 1, ..outline() },
            Outline { files: 2, ..outline() },
            Outline { files: 0, ..outline() },
            Outline { folder: true, files: MAX_ENTRIES + 1, ..outline() },
        ];
        for one in worse {
            assert!(!FileWord::Offer { what: one }.is_bounded());
        }
        let reason = |length| FileWord::Over { end: End::Failed, reason: Some("x".repeat(length)) };
        assert!(reason(crate::MAX_REASON_BYTES).is_bounded());
        assert!(!reason(crate::MAX_REASON_BYTES + 1).is_bounded());
        let entry = |path: &str, size| Entry { path: path.to_owned(), size };
        assert!(entry(&"x".repeat(MAX_PATH_BYTES), MAX_SIZE).is_bounded());
        for bad in [
            entry(&"x".repeat(MAX_PATH_BYTES + 1), 0),
            entry("", 0),
            entry("a", MAX_SIZE + 1),
            entry(&vec!["a"; MAX_DEPTH + 1].join("/"), 0),
        ] {
            assert!(!bad.is_bounded());
        }
    }

    #[test]
    fn a_full_page_with_one_more_of_the_longest_is_a_frame() {
        let longest = Entry { path: "x".repeat(MAX_PATH_BYTES), size: MAX_SIZE };
        let mut page = Page::default();
        while page.entries.iter().map(Entry::weight).sum::<usize>() < PAGE_BYTES {
            page.entries.push(longest.clone());
        }
        let bytes = encode(&page, Channel::Files).unwrap();
        assert_eq!(body_length([bytes[0], bytes[1], bytes[2], bytes[3]], Channel::Files), Ok(32 * 1024));
        assert!(
            page.entries.iter().map(Entry::weight).sum::<usize>() + 16
                >= bytes.iter().rposition(|b| *b != 0).unwrap() - 4
        );
    }
}

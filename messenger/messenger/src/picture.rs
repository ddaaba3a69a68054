//! The link in a picture: a code that somebody photographed, or saved from a screen.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use device::card::qr;
use identity::card::Link;

use crate::app::slash;

/// Whether a name ends as those of pictures do that can be read.
pub(crate) fn ends_as_one(name: &str) -> bool {
    let end = Path::new(name).extension();
    end.is_some_and(|end| ["png", "jpg", "jpeg"].iter().any(|one| end.eq_ignore_ascii_case(one)))
}

/// The first link of ours in a picture.
///
/// # Errors
/// One line for people.
pub(crate) fn link(path: &Path) -> Result<Link, String> {
    // A pipe without a writer would be waited for.
    if path.exists() && !path.is_file() {
        return Err(format!("{}: expected a picture, found no regular file.", path.display()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(qr::MAX_PICTURE_BYTES as u64 + 1).read_to_end(&mut bytes));
    let texts =
        read.map_err(|error| error.to_string()).and_then(|_| qr::texts(&bytes).map_err(|error| error.to_string()));
    let texts = texts.map_err(|problem| format!("{}: {problem}.", path.display()))?;
    // Of several codes the one that is ours; there is one at least.
    slash::link(texts.iter().find(|text| slash::is_link(text)).unwrap_or(&texts[0]))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A code as other people's programs write it: bob's card, as the tests of the screen know it (segno 1.6: `segno.make_qr`).
    pub(crate) const BOB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/bob.png");

    #[test]
    fn the_link_of_a_card_is_read_and_what_is_none_is_named() {
        let Ok(Link::Card(card)) = link(Path::new(BOB)) else { panic!("a card") };
        assert_eq!(card.identifier.as_str(), "bob@example.org");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words.png");
        assert!(link(&file).unwrap_err().contains("words.png: No such file"));
        std::fs::write(&file, "words").unwrap();
        assert!(link(&file).unwrap_err().contains("words.png: expected a picture"));
        assert!(link(folder.path()).unwrap_err().contains("no regular file"));
    }

    #[test]
    fn a_picture_is_known_by_its_name() {
        assert!(["bob.png", "~/my card.JPG", "/tmp/a.b.jpeg"].into_iter().all(ends_as_one));
        assert!(!["bob@example.org", "bob", "png", ".png", "card.svg", ""].into_iter().any(ends_as_one));
    }
}

//! QR codes (ISO/IEC 18004) of contact cards, and of what else goes from one screen to another: drawn for a terminal or as SVG,
//! read from a picture.

use std::io::Cursor;

use identity::card::{CardError, ContactCard, Link};
use image::{GrayImage, ImageReader, Limits};
use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};

/// A larger picture is refused before it is decoded (bytes).
pub const MAX_PICTURE_BYTES: usize = 16 << 20;
/// A picture of more pixels on one side is refused.
const MAX_SIDE: u32 = 8192;

/// Why no card could be read from a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Too large.
    #[error("expected a picture of at most {} MiB, found {found} bytes", MAX_PICTURE_BYTES >> 20)]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not a picture that can be read.
    #[error("expected a picture in PNG or JPEG, found: {0}")]
    Picture(#[from] image::ImageError),
    /// Nothing in it looks like a QR code that can be read.
    #[error("expected a QR code in the picture, found none that can be read")]
    NoCode,
    /// There are codes, and none is a card. This is what was wrong with the first of them.
    #[error("the QR code in the picture is no contact card: {0}")]
    NoCard(CardError),
}

/// The code in half blocks, light on dark as well as dark on light: with the quiet zone that readers need, two modules
/// above each other in one character. A card that we wrote always fits into a code.
pub fn for_terminal(card: &ContactCard) -> Option<String> {
    text_for_terminal(&card.to_string())
}

/// The same of any text; nothing if it is too long for a code.
pub fn text_for_terminal(text: &str) -> Option<String> {
    let code = code(text)?;
    // Terminals mostly write light on dark: what is drawn is what shines, so the light modules are.
    Some(
        code.render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build(),
    )
}

/// The code as a picture in SVG, black on white.
pub fn as_svg(card: &ContactCard) -> Option<String> {
    Some(code(&card.to_string())?.render::<svg::Color<'_>>().min_dimensions(320, 320).build())
}

/// Screens are clean: the lowest level of error correction keeps the code small enough for a terminal.
fn code(text: &str) -> Option<QrCode> {
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}

/// The first card in a picture, PNG or JPEG: a screenshot or a photograph.
pub fn read(picture: &[u8]) -> Result<ContactCard, PictureError> {
    first(&texts(picture)?)
}

/// What the codes in a picture say; there is one at least.
pub fn texts(picture: &[u8]) -> Result<Vec<String>, PictureError> {
    if picture.len() > MAX_PICTURE_BYTES {
        return Err(PictureError::TooLarge { found: picture.len() });
    }
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format().map_err(image::ImageError::from)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    find(&reader.decode()?.into_luma8())
}

/// All codes that can be read.
fn find(grey: &GrayImage) -> Result<Vec<String>, PictureError> {
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        grey.get_pixel(u32::try_from(x).unwrap_or(0), u32::try_from(y).unwrap_or(0)).0[0]
    });
    let found = prepared.detect_grids().into_iter().filter_map(|grid| grid.decode().ok());
    let texts: Vec<String> = found.map(|(_, text)| text).collect();
    if texts.is_empty() { Err(PictureError::NoCode) } else { Ok(texts) }
}

fn first(texts: &[String]) -> Result<ContactCard, PictureError> {
    let mut wrong = None;
    for text in texts {
        match text.parse::<Link>().and_then(ContactCard::try_from) {
            Ok(card) => return Ok(card),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    Err(wrong.map_or(PictureError::NoCode, PictureError::NoCard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Luma};

    const LINK: &str = "inperson:alice@example.org?\
        genesis=5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5\
        &policy=https://chat.example.org:8443/policy&directory=chat.example.org:8444\
        &key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn picture(text: &str, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        drawn(text).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn drawn(text: &str) -> GrayImage {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let (side, scale, quiet) = (u32::try_from(code.width()).unwrap(), 6, 4);
        let modules = code.to_colors();
        let size = (side + 2 * quiet) * scale;
        GrayImage::from_fn(size, size, |x, y| {
            let inside = |at: u32| (at / scale).checked_sub(quiet).filter(|at| *at < side);
            let dark = matches!((inside(x), inside(y)), (Some(x), Some(y))
                if modules[(y * side + x) as usize] == qrcode::Color::Dark);
            Luma([if dark { 20 } else { 235 }])
        })
    }

    #[test]
    fn damaged_codes_are_refused_or_read_and_nothing_panics() {
        let whole = drawn(LINK);
        let mut state = 1_u64;
        // Numbers without end, the same in every run (splitmix64).
        let mut number = |below: u32| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            u32::try_from((mixed ^ (mixed >> 31)) % u64::from(below)).unwrap()
        };
        let mut read = 0;
        for _ in 0..40 {
            let mut damaged = whole.clone();
            for _ in 0..number(40) {
                let (x, y, side) = (number(whole.width()), number(whole.height()), 1 + number(24));
                let shade = Luma([u8::try_from(number(256)).unwrap()]);
                let ends = ((x + side).min(whole.width()), (y + side).min(whole.height()));
                (x..ends.0).for_each(|x| (y..ends.1).for_each(|y| damaged.put_pixel(x, y, shade)));
            }
            match find(&damaged).and_then(|texts| first(&texts)) {
                Ok(card) => {
                    assert_eq!(card.to_string(), LINK);
                    read += 1;
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        assert!((1..40).contains(&read), "{read} of 40 were read");
    }

    #[test]
    fn reads_the_card_in_a_picture() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            assert_eq!(read(&picture(LINK, format)).unwrap().to_string(), LINK);
        }
    }

    /// As long as an endorsement is, with line ends.
    #[test]
    fn reads_the_text_in_a_large_code() {
        let text = format!("-----BEGIN-----\n{}-----END-----\n", "MIIB0TCCAYOgAwIBAgIRAK\n".repeat(90));
        assert_eq!(texts(&picture(&text, ImageFormat::Png)).unwrap(), [text]);
        assert_eq!(text_for_terminal(&"x".repeat(2_954)), None, "more than any code holds");
    }

    #[test]
    fn says_what_is_wrong_with_a_picture() {
        assert!(matches!(read(b"GIF89a"), Err(PictureError::Picture(_))));
        assert!(matches!(read(&picture(LINK, ImageFormat::Png)[..300]), Err(PictureError::Picture(_))));
        assert!(matches!(read(&vec![0; MAX_PICTURE_BYTES + 1]), Err(PictureError::TooLarge { .. })));
        assert!(matches!(read(&picture("https://example.org", ImageFormat::Png)), Err(PictureError::NoCard(_))));
        let mut blank = Vec::new();
        GrayImage::new(64, 64).write_to(&mut Cursor::new(&mut blank), ImageFormat::Png).unwrap();
        assert!(matches!(read(&blank), Err(PictureError::NoCode)));
        // A few hundred bytes that would unpack to 10^8 pixels.
        let mut wide = Vec::new();
        GrayImage::new(MAX_SIDE + 1, 1).write_to(&mut Cursor::new(&mut wide), ImageFormat::Png).unwrap();
        assert!(matches!(read(&wide), Err(PictureError::Picture(_))));
    }

    #[test]
    fn a_terminal_shows_a_square_with_its_quiet_zone() {
        let drawn = for_terminal(&LINK.parse().unwrap()).unwrap();
        let lines: Vec<_> = drawn.lines().collect();
        let columns = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == columns));
        assert_eq!(lines.len(), columns.div_ceil(2));
        // All light: four modules on every side.
        assert!(lines[..2].concat().chars().all(|c| c == '█'), "{drawn}");
        assert!(as_svg(&LINK.parse().unwrap()).unwrap().contains("<svg"));
    }
}

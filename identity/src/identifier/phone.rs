//! Phone numbers: E.164, checked against the numbering plans that the `phonenumber` crate carries.

use phonenumber::Mode;

use super::{IdentifierError, shortened};

/// ITU-T E.164 section 6: at most 15 digits, country code included.
const MAX_DIGITS: usize = 15;

/// `+` and digits only. Spaces, hyphens, dots and round brackets are dropped; everything else is refused, so that no
/// extension, no national prefix in letters and no carrier code comes near the number.
pub(super) fn canonical(text: &str) -> Result<String, IdentifierError> {
    let error = |reason| IdentifierError::Phone { reason, found: shortened(text) };
    let mut stripped = String::with_capacity(MAX_DIGITS + 1);
    for (position, c) in text.char_indices() {
        match c {
            '+' if position == 0 => stripped.push('+'),
            '0'..='9' => stripped.push(c),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' | '\u{2010}' | '\u{2011}' => {}
            _ => return Err(error("only digits after the +")),
        }
        if stripped.len() > MAX_DIGITS + 1 {
            return Err(error("at most 15 digits"));
        }
    }
    let once = e164(&stripped).ok_or_else(|| error("no numbering plan has it"))?;
    // Only a fixed point is canonical: a plan that rewrites a number twice is not one we can name people by.
    if e164(&once).as_deref() == Some(once.as_str()) {
        Ok(once)
    } else {
        Err(error("its numbering plan has no single spelling for it"))
    }
}

fn e164(digits: &str) -> Option<String> {
    let number = phonenumber::parse(None, digits).ok()?;
    if number.extension().is_some() || !number.is_valid() {
        return None;
    }
    let text = number.format().mode(Mode::E164).to_string();
    let well_formed = text.len() <= MAX_DIGITS + 1
        && text.strip_prefix('+').is_some_and(|rest| rest.len() >= 7 && rest.bytes().all(|b| b.is_ascii_digit()));
    well_formed.then_some(text)
}

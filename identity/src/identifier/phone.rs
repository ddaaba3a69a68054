//! Phone numbers: E.164, checked against the numbering plans that the `phonenumber` crate carries.

use phonenumber::{Mode, Type};

use super::{IdentifierError, shortened};

/// What the numbering plans say of a number: whose it is, and what kind of line it is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The country code (ITU-T E.164), like 49. Several countries may share one.
    pub country_code: u16,
    /// What the number is for.
    pub line: Line,
}

/// What a number is for, as far as it matters to who would send it a text message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// A person's mobile phone.
    Mobile,
    /// Mobile or fixed: the plan does not tell them apart, as in North America.
    FixedOrMobile,
    /// A fixed line.
    Fixed,
    /// A line over the Internet.
    Voip,
    /// Of no country: satellites, international networks and services (country codes +8xx and +979), where a message
    /// costs a multiple.
    Global,
    /// Whoever reaches it pays the one who holds it: premium rate, shared cost, personal numbers.
    Premium,
    /// None of these: toll free, pagers, voice mail, companies' own ranges.
    Other,
}

impl Line {
    /// As settings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::FixedOrMobile => "fixed-or-mobile",
            Self::Fixed => "fixed",
            Self::Voip => "voip",
            Self::Global => "global",
            Self::Premium => "premium",
            Self::Other => "other",
        }
    }
}

/// What the plans say of a canonical number.
pub(super) fn numbering(canonical: &str) -> Option<Numbering> {
    let number = phonenumber::parse(None, canonical).ok()?;
    let country_code = number.code().value();
    let line = match number.number_type(&phonenumber::metadata::DATABASE) {
        // Country codes that ITU-T assigns to no country (list of E.164 assigned country codes).
        _ if matches!(country_code, 800 | 808 | 870 | 878 | 881..=883 | 888 | 979) => Line::Global,
        Type::Mobile => Line::Mobile,
        Type::FixedLineOrMobile => Line::FixedOrMobile,
        Type::FixedLine => Line::Fixed,
        Type::Voip => Line::Voip,
        Type::PremiumRate | Type::SharedCost | Type::PersonalNumber => Line::Premium,
        _ => Line::Other,
    };
    Some(Numbering { country_code, line })
}

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

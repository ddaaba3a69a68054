//! The shape of a code, in base32 (RFC 4648 section 6): by mail 24 characters in six groups of four, by text message ten in
//! two groups of five.

use identity::{Identifier, IdentifierKind};

/// What a code looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeShape {
    /// Six groups of four characters, by mail.
    Mailed,
    /// Two groups of five characters, by text message.
    Texted,
}

impl CodeShape {
    /// Of a code that is sent to this identifier.
    pub fn of(identifier: &Identifier) -> Self {
        match identifier.kind() {
            IdentifierKind::Email => Self::Mailed,
            IdentifierKind::Phone => Self::Texted,
        }
    }

    const fn characters(self) -> usize {
        match self {
            Self::Mailed => 24,
            Self::Texted => 10,
        }
    }
}

impl std::fmt::Display for CodeShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mailed => "24 letters and digits in six groups of four",
            Self::Texted => "10 letters and digits in two groups of five",
        })
    }
}

/// What was typed as it is handed in, without spaces and hyphens; or what was found that no code has. The error does not
/// repeat the text: it may be another secret, pasted by mistake.
pub(super) fn shaped(typed: &str, shape: CodeShape) -> Result<String, String> {
    let characters = shape.characters();
    let separates = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
    let code: String = typed.chars().filter(|c| !separates(*c)).collect();
    // The authority takes the digits 0, 1 and 8 for the letters O, I and B.
    let foreign = code.chars().filter(|c| !(c.is_ascii_alphabetic() || ('0'..='8').contains(c))).count();
    match code.chars().count() {
        count if count == characters && foreign == 0 => Ok(code),
        count if count == characters => Err(format!("{count} characters, {foreign} of which stand in no code")),
        1 => Err("1 character".to_owned()),
        count => Err(format!("{count} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_hyphens_and_case_do_not_count_but_everything_else_does() {
        for good in
            ["ABCD-EFGH-IJKL-MNOP-QRST-UV27", " abcd efgh ijkl mnop qrst uv27\n", "ABCD\u{2011}EFGHIJKLMNOPQRST0188"]
        {
            assert_eq!(shaped(good, CodeShape::Mailed).unwrap().len(), 24, "{good}");
        }
        let found = |typed| shaped(typed, CodeShape::Mailed).unwrap_err();
        assert_eq!(found("s3cret"), "6 characters");
        assert_eq!(found("ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23"), "28 characters");
        assert_eq!(found("ABCD-EFGH-IJKL-MNOP-QRST-UV9!"), "24 characters, 2 of which stand in no code");
        assert_eq!(shaped("abcde fghi2", CodeShape::Texted).unwrap(), "abcdefghi2");
        assert_eq!(shaped("ABCD-EFGH", CodeShape::Texted).unwrap_err(), "8 characters");
    }
}

//! The shape of a code: 24 characters of base32 (RFC 4648 section 6), in six groups of four.

/// Characters of a code.
const CHARACTERS: usize = 24;

/// What was typed as it is handed in, without spaces and hyphens; or what was found that no code has. The error does not
/// repeat the text: it may be another secret, pasted by mistake.
pub(super) fn shaped(typed: &str) -> Result<String, String> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
    let code: String = typed.chars().filter(|c| !separates(*c)).collect();
    // The authority takes the digits 0, 1 and 8 for the letters O, I and B.
    let foreign = code.chars().filter(|c| !(c.is_ascii_alphabetic() || ('0'..='8').contains(c))).count();
    match code.chars().count() {
        CHARACTERS if foreign == 0 => Ok(code),
        CHARACTERS => Err(format!("{CHARACTERS} characters, {foreign} of which stand in no code")),
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
            assert_eq!(shaped(good).unwrap().len(), CHARACTERS, "{good}");
        }
        assert_eq!(shaped("s3cret").unwrap_err(), "6 characters");
        assert_eq!(shaped("ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23").unwrap_err(), "28 characters");
        assert_eq!(shaped("ABCD-EFGH-IJKL-MNOP-QRST-UV9!").unwrap_err(), "24 characters, 2 of which stand in no code");
    }
}

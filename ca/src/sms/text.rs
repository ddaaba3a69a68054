//! What a text message says.

use identity::Identifier;
use zeroize::Zeroizing;

use crate::code::Code;

/// One message in the GSM 7-bit alphabet (3GPP TS 23.038 section 6.2.1): more are billed as several.
const MAX_CHARACTERS: usize = 160;

/// A message on its way. It may hold a code, so `Debug` shows none of it.
#[derive(Clone)]
pub(crate) struct Text {
    /// In canonical form.
    pub(crate) to: Identifier,
    /// ASCII, at most 160 characters, all of them in the GSM alphabet.
    pub(crate) body: Zeroizing<String>,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

impl Text {
    /// The message with a code: what it is for, whom to tell it to (nobody), and in its last line, if there is room, the
    /// host that the code belongs to, as origin-bound one-time codes have it
    /// (<https://wicg.github.io/sms-one-time-codes/>): programs that fill in codes offer it for that host alone.
    pub(crate) fn code(to: &Identifier, code: &Code, host: &str) -> Self {
        let code = code.grouped();
        let code = code.as_str();
        let mut body = Zeroizing::new(format!(
            "{code} is your In Person code. It makes a certificate in the name of this number. Tell nobody. Not you? Ignore it."
        ));
        let bound = Zeroizing::new(format!("\n\n@{host} #{code}"));
        if body.len() + bound.len() <= MAX_CHARACTERS {
            body.push_str(&bound);
        }
        Self { to: to.clone(), body }
    }

    /// The message that tells an owner of a certificate for another device.
    pub(crate) fn device(to: &Identifier, serial: &str) -> Self {
        let body = format!(
            "In Person: another device now speaks for this number. Not you? Run certtool revoke {to} --stolen --serial {serial}"
        );
        Self { to: to.clone(), body: Zeroizing::new(body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> Identifier {
        Identifier::parse("+4915112345678").unwrap()
    }

    #[test]
    fn one_message_says_it_all_and_for_which_host() {
        let code = Code::short([0x5a; 7]);
        let text = Text::code(&number(), &code, "ca.example.org");
        assert!(text.body.ends_with("\n\n@ca.example.org #LJNFU-WS2LJ"), "{}", *text.body);
        assert!(text.body.starts_with("LJNFU-WS2LJ is your In Person code."));
        assert!(text.body.len() <= MAX_CHARACTERS, "{}", text.body.len());
        assert_eq!(format!("{text:?}"), "Text(…)");
        let long = Text::code(&number(), &code, &"a".repeat(60));
        assert!(!long.body.contains('@') && long.body.len() <= MAX_CHARACTERS);
    }

    #[test]
    fn the_message_of_another_device_is_one_too() {
        let text = Text::device(&number(), &"ab".repeat(16));
        assert!(text.body.len() <= MAX_CHARACTERS, "{}", text.body.len());
    }
}

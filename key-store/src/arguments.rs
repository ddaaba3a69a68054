//! Command lines on which a passphrase may stand by mistake, where only its source is asked for.

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

/// What was asked for on the command line. On a wrong one it says what is wrong and ends the program; a wrong value of an
/// option about passphrases is not shown: it may be the passphrase itself.
pub fn arguments<T: Parser>() -> T {
    T::try_parse().unwrap_or_else(|error| silent_about_passphrases(error).exit())
}

fn silent_about_passphrases(mut error: clap::Error) -> clap::Error {
    let about = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if about.contains("passphrase") {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".to_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PassphraseSource;

    #[derive(Debug, Parser)]
    struct Example {
        #[arg(long, value_name = "SOURCE")]
        passphrase: Option<PassphraseSource>,
        #[arg(long, value_name = "SOURCE")]
        new_passphrase: Option<PassphraseSource>,
        #[arg(long)]
        number: Option<u8>,
    }

    #[test]
    fn a_passphrase_given_by_mistake_is_not_shown() {
        let said = |option: &str, value: &str| {
            let wrong = Example::try_parse_from(["example", option, value]).unwrap_err();
            silent_about_passphrases(wrong).to_string()
        };
        for option in ["--passphrase", "--new-passphrase"] {
            let said = said(option, "correct horse");
            assert!(said.contains("(not shown)") && said.contains(option) && !said.contains("horse"), "{said}");
        }
        assert!(said("--number", "horse").contains("horse"));
        let Example { passphrase, new_passphrase, number } =
            Example::try_parse_from(["example", "--passphrase", "ask"]).unwrap();
        assert!(passphrase.is_some() && new_passphrase.is_none() && number.is_none());
    }
}

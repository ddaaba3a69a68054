//! The command line as it is read: what is wrong with it is said in words, or as an object for programs.

use std::ffi::OsString;
use std::io::Write as _;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, Command, Parser};

use crate::say::{unless_unread, unwritten};
use crate::{Failure, about, command, lost, say};

/// The exit code of a wrong command line, as clap has it.
const USAGE: u8 = 2;

/// What was asked for on the command line. On a wrong one it says what is wrong and ends the program with 2: under `--json`
/// as an object on standard output. A wrong value of an option about passphrases is not shown, for it may be the passphrase
/// itself; nor is a word that nobody expected beside such an option, or one that may be an address with a password.
///
/// What every program tells of itself (`completions`, `man`) is told here, and the program ends.
pub fn arguments<T: Parser>() -> T {
    let line: Vec<_> = std::env::args_os().collect();
    match read(&line) {
        Ok(Asked::OfProgram(arguments)) => arguments,
        Ok(Asked::OfItself(of)) => tell_of_itself(&of.0, &of.1, for_programs(&line)),
        Err(error) => refuse::<T>(&error, &line),
    }
}

/// What the command line asks for.
#[derive(Debug)]
enum Asked<T> {
    /// What the program is there for.
    OfProgram(T),
    /// What it tells of itself; all of its commands, and what was asked.
    OfItself(Box<(Command, ArgMatches)>),
}

fn read<T: Parser>(line: &[OsString]) -> Result<Asked<T>, clap::Error> {
    let mut command = command::<T>();
    let found = command.try_get_matches_from_mut(line).and_then(|mut matches| {
        if about::is_asked(&matches) {
            return Ok(Asked::OfItself(Box::new((self::command::<T>(), matches))));
        }
        T::from_arg_matches_mut(&mut matches).map(Asked::OfProgram)
    });
    found.map_err(|error| silent_about_secrets(error.format(&mut command), line))
}

fn tell_of_itself(program: &Command, asked: &ArgMatches, json: bool) -> ! {
    let exit = about::tell(program, asked).map_or_else(
        |failure| {
            failure.tell(program.get_name(), json);
            failure.exit
        },
        |()| 0,
    );
    let lost = lost().inspect(|failure| failure.complain(program.get_name()));
    std::process::exit(lost.filter(|_| exit == 0).map_or(exit, |failure| failure.exit).into())
}

fn refuse<T: Parser>(error: &clap::Error, line: &[OsString]) -> ! {
    if error.use_stderr() && for_programs(line) {
        say!("{}", wrong(error).object());
        std::process::exit(USAGE.into());
    }
    // Help that was asked for is a result as well.
    let printed = unless_unread(error.print().and_then(|()| std::io::stdout().flush()));
    let lost = printed.err().filter(|_| !error.use_stderr()).map(unwritten);
    let exit = lost.map_or(error.exit_code(), |failure| {
        failure.complain(command::<T>().get_name());
        failure.exit.into()
    });
    std::process::exit(exit)
}

/// Whether an object is wanted. The line may be wrong, so there is no other way to know than to look for the option itself.
fn for_programs(line: &[OsString]) -> bool {
    line.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// What clap says in paragraphs: the first is what is wrong, the others are what to try.
fn wrong(error: &clap::Error) -> Failure {
    let told = error.render().to_string();
    let in_a_line = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = told.trim().split("\n\n").map(in_a_line);
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    Failure::new(USAGE, what, paragraphs.collect::<Vec<_>>().join("; "))
}

fn silent_about_secrets(mut error: clap::Error, line: &[OsString]) -> clap::Error {
    let not_shown = || ContextValue::String("(not shown)".to_owned());
    let about = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if about.contains("passphrase") {
        error.insert(ContextKind::InvalidValue, not_shown());
    }
    // The rest of a passphrase or of an address with a password, if there was a space in it or its option was forgotten.
    let may_be_secret = |word: &OsString| {
        let word = word.to_string_lossy();
        let is_option = word.starts_with("--") && (word.contains("passphrase") || word.contains("smtp"));
        is_option || (word.contains("://") && word.contains('@'))
    };
    if line.iter().any(may_be_secret) {
        for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
            if error.get(kind).is_some_and(|word| !word.to_string().starts_with('-')) {
                error.insert(kind, not_shown());
                for hint in [ContextKind::Suggested, ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
                    error.remove(hint);
                }
            }
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a passphrase comes from, of which there is one way here.
    #[derive(Debug, Clone)]
    struct Source;

    impl std::str::FromStr for Source {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            (text == "ask").then_some(Self).ok_or_else(|| "expected ask".to_owned())
        }
    }

    #[derive(Debug, Parser)]
    struct Example {
        #[arg(long, value_name = "SOURCE")]
        passphrase: Option<Source>,
        #[arg(long, value_name = "SOURCE")]
        new_passphrase: Option<Source>,
        #[arg(long)]
        number: Option<u8>,
        #[arg(long)]
        json: bool,
    }

    fn line(words: &[&str]) -> Vec<OsString> {
        std::iter::once("example").chain(words.iter().copied()).map(OsString::from).collect()
    }

    #[test]
    fn a_passphrase_given_by_mistake_is_not_shown() {
        let said = |option: &str, value: &str| {
            let error = read::<Example>(&line(&[option, value])).unwrap_err();
            format!("{error}{}", wrong(&error).object())
        };
        for option in ["--passphrase", "--new-passphrase"] {
            let said = said(option, "correct horse");
            assert!(said.contains("(not shown)") && said.contains(option) && !said.contains("horse"), "{said}");
        }
        assert!(said("--number", "horse").contains("horse"));
        // Nor what is left of it after a space, nor an address whose option was forgotten.
        for words in
            [&["--passphrase", "ask", "horse"][..], &["smtps://ca:horse@mail"], &["--number", "1", "tls://a:horse@b"]]
        {
            let error = read::<Example>(&line(words)).unwrap_err();
            let said = format!("{error}{}", wrong(&error).object());
            assert!(said.contains("(not shown)") && !said.contains("horse"), "{said}");
        }
        let said_of_others = read::<Example>(&line(&["horse"])).unwrap_err().to_string();
        assert!(said_of_others.contains("horse"), "{said_of_others}");
        let found = read(&line(&["--passphrase", "ask"])).unwrap();
        let Asked::OfProgram(Example { passphrase, new_passphrase, number, json }) = found else { panic!("{found:?}") };
        assert!(passphrase.is_some() && new_passphrase.is_none() && number.is_none() && !json);
    }

    #[test]
    fn what_is_wrong_is_told_to_programs_apart_from_what_to_try() {
        let told = |words: &[&str]| wrong(&read::<Example>(&line(words)).unwrap_err());
        let Failure { what, remedy, exit } = told(&["--jsn"]);
        assert_eq!((what.as_str(), exit), ("unexpected argument '--jsn' found", 2));
        assert_eq!(
            remedy,
            "tip: a similar argument exists: '--json'; Usage: example --json; For more information, try '--help'."
        );
        assert_eq!(
            told(&["--number", "no"]).what,
            "invalid value 'no' for '--number <NUMBER>': invalid digit found in string"
        );
    }

    #[test]
    fn what_a_program_tells_of_itself_is_no_business_of_its_own() {
        let asked = |words: &[&str]| matches!(read::<Example>(&line(words)), Ok(Asked::OfItself(..)));
        assert!(asked(&["completions", "bash"]) && asked(&["man"]) && asked(&["man", "--json"]) && !asked(&["--json"]));
    }

    #[test]
    fn an_object_is_wanted_where_the_option_stands() {
        assert!(for_programs(&line(&["--jsn", "--json"])));
        assert!(!for_programs(&line(&["--jsn"])) && !for_programs(&line(&["--", "--json"])));
    }
}

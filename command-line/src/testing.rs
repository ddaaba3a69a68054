//! What every program's own tests ask of its help, and of how it ends where its result cannot be printed.

use std::fs::File;
use std::io;
use std::process::{self, Stdio};

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory};

use crate::command;
use crate::help::EXIT_CODES;

/// What is missing in the help of a program's commands, each of them walked through: an example of that very command (of
/// a group: of one of its commands) which the program reads, and the exit codes.
#[must_use]
pub fn faults_of_help<T: CommandFactory>() -> Vec<String> {
    let program = command::<T>();
    let mut faults = Vec::new();
    walk(&program, &program, &mut Vec::new(), &mut faults);
    faults
}

/// What is wrong with how a program ends that `command` starts, and that prints a result: on a full disk it must fail with 1
/// and say why, and where nobody reads any more it must end well and say nothing.
#[must_use]
pub fn faults_of_printing(command: &mut process::Command) -> Vec<String> {
    let mut faults = Vec::new();
    let mut look = |to: &str, stdout: io::Result<Stdio>, exit: i32, says: &dyn Fn(&str) -> bool| match stdout
        .and_then(|stdout| command.stdout(stdout).stderr(Stdio::piped()).output())
    {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            if done.status.code() != Some(exit) || !says(&said) {
                faults.push(format!("{to}: {command:?}: expected to end with {exit}, found {}: {said}", done.status));
            }
        }
        Err(error) => faults.push(format!("{to}: {command:?}: {error}")),
    };
    let full = || Ok(File::options().write(true).open("/dev/full")?.into());
    look("to a full disk", full(), 1, &|said| said.contains("No space left on device") && !said.contains("panicked"));
    let unread = || Ok(io::pipe()?.1.into());
    look("to nobody", unread(), 0, &str::is_empty);
    faults
}

fn walk(program: &Command, at: &Command, path: &mut Vec<String>, faults: &mut Vec<String>) {
    let name = [&[program.get_name().to_owned()], path.as_slice()].concat().join(" ");
    let told = at.get_after_help().map(ToString::to_string).unwrap_or_default();
    if !told.contains(EXIT_CODES) {
        faults.push(format!("{name}: no exit codes"));
    }
    let mut of_this = 0;
    for line in examples(&told, program.get_name()) {
        match program.clone().try_get_matches_from(&line) {
            Ok(matches) if begins(&matches, path) => of_this += 1,
            // Long values are cut short with an ellipsis: who reads the example has her own.
            Err(error) if error.kind() == ErrorKind::ValueValidation && line.iter().any(|word| word.contains('…')) => {
                of_this += usize::from(path.iter().all(|part| line.contains(part)));
            }
            Ok(_) => {}
            Err(error) => faults.push(format!("{name}: example {line:?}: {error}")),
        }
    }
    if of_this == 0 {
        faults.push(format!("{name}: no example of it"));
    }
    for inner in at.get_subcommands() {
        path.push(inner.get_name().to_owned());
        walk(program, inner, path, faults);
        path.pop();
    }
}

/// Whether the commands in `matches` are those of `path`, and perhaps further ones.
fn begins(matches: &ArgMatches, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    matches.subcommand().is_some_and(|(name, inner)| name == first && begins(inner, rest))
}

/// The examples' command lines that call the program, as a shell would hand them over.
fn examples(told: &str, program: &str) -> Vec<Vec<String>> {
    let told = told.replace("\\\n", " ");
    let lines = told.lines().skip_while(|line| !line.starts_with("Example")).filter(|line| line.starts_with("  "));
    lines.flat_map(commands).filter(|words| words.first().is_some_and(|word| word == program)).collect()
}

/// The words of each command of a pipe: quotes and `$(…)` hold words together, `#` begins a comment, `<` and `>` name files.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![vec![]];
    let (mut word, mut quote, mut depth) = (String::new(), None, 0_usize);
    for c in line.chars().chain(" ".chars()) {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (' ', None) if depth == 0 => {
                let word = std::mem::take(&mut word);
                match word.as_str() {
                    "" => {}
                    "|" => commands.push(vec![]),
                    _ => commands.last_mut().expect("there is one from the start").push(word),
                }
            }
            _ => word.push(c),
        }
    }
    let ends = |word: &String| word == "#" || word.ends_with(['<', '>']);
    commands.into_iter().map(|words| words.into_iter().take_while(|word| !ends(word)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    #[command(name = "example", after_help = "Example:\n  example good | wc\n\nExit codes: 0 ok, 2 wrong usage")]
    enum Example {
        /// Good
        #[command(after_help = "Examples:\n  echo x | example good --number 3 > file\n  example good --number 5f1c…")]
        Good {
            #[arg(long)]
            number: Option<u8>,
        },
        /// Of another command
        #[command(after_help = "Example:\n  example good")]
        Other,
        /// Which the program does not read
        #[command(after_help = "Example:\n  example wrong --nubmer 3")]
        Wrong,
    }

    #[test]
    fn an_example_is_of_its_command_and_is_read() {
        let faults = faults_of_help::<Example>();
        let about = |name: &str| faults.iter().filter(|fault| fault.starts_with(name)).count();
        assert_eq!((about("example other: no example"), about("example wrong: example")), (1, 1), "{faults:?}");
        assert_eq!(about("example good") + about("example:"), 0, "{faults:?}");
        #[derive(Debug, Parser)]
        #[command(name = "bare")]
        struct Bare;
        assert_eq!(faults_of_help::<Bare>(), ["bare: no exit codes", "bare: no example of it"]);
    }

    #[test]
    fn lines_are_split_as_a_shell_would() {
        let split = commands(r#"  echo '{"do": 1}' | x "a b" $(date +%F y)z 3< file  # words"#);
        assert_eq!(split, [vec!["echo", r#"{"do": 1}"#], vec!["x", "a b", "$date +%F yz"]]);
    }
}

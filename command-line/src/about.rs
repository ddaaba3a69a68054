//! What a program tells of itself to shells and to `man`: its commands `completions` and `man`, the same for every program.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::help::EXIT_CODES;
use crate::manual::{Page, pages};
use crate::{Failure, print, say};

const COMPLETIONS: &str = "completions";
const MAN: &str = "man";

/// The shells for which something is written. clap knows two more, which nobody here has tried.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Adds both commands to a program.
pub(crate) fn with_commands(program: Command) -> Command {
    let json_is_everywhere = program.get_arguments().any(|one| one.get_id() == "json" && one.is_global_set());
    let commands = [completions(program.get_name()), man(program.get_name())];
    program.subcommands(commands.map(|command| if json_is_everywhere { command } else { command.arg(json_option()) }))
}

fn json_option() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object instead of text")
}

fn completions(name: &str) -> Command {
    Command::new(COMPLETIONS)
        .about("Print what completes this program's commands and options in your shell")
        .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(SHELLS).help("Your shell"))
        .after_help(format!(
            "Examples:\n  \
            {name} completions bash > ~/.local/share/bash-completion/completions/{name}\n  \
            {name} completions zsh > ~/.zfunc/_{name}\n  \
            {name} completions fish > ~/.config/fish/completions/{name}.fish\n\n\
            The folder has to be there (mkdir -p), and for zsh in fpath, before compinit, in ~/.zshrc.\n\n\
            {EXIT_CODES} 0 ok, 1 failed, 2 wrong usage."
        ))
}

fn man(name: &str) -> Command {
    let of = Arg::new("command").value_name("COMMAND").num_args(0..).conflicts_with("out");
    let out = Arg::new("out").long("out").value_name("DIR").value_hint(ValueHint::DirPath);
    Command::new(MAN)
        .about("Print the manual page of this program or of one of its commands, or write all of them into a folder")
        .arg(of.help("Of which command; without it, of the program"))
        .arg(out.value_parser(value_parser!(PathBuf)).help("Write all pages here, each in a file of its own"))
        .after_help(format!(
            "Examples:\n  \
            {name} man | man -l -\n  \
            {name} man --out ~/.local/share/man/man1\n\n\
            {EXIT_CODES} 0 ok, 1 failed, 2 wrong usage."
        ))
}

/// Whether one of the two was asked for.
pub(crate) fn is_asked(asked: &ArgMatches) -> bool {
    matches!(asked.subcommand_name(), Some(COMPLETIONS | MAN))
}

/// Tells what was asked for. `program` is all of its commands.
pub(crate) fn tell(program: &Command, asked: &ArgMatches) -> Result<(), Failure> {
    match asked.subcommand() {
        Some((COMPLETIONS, asked)) => complete(program.clone(), asked),
        Some((MAN, asked)) => manual(program, asked),
        _ => Ok(()),
    }
}

/// Whether a program reads, whichever level of commands the option stands at.
fn for_programs(asked: &ArgMatches) -> bool {
    asked.try_get_one::<bool>("json").ok().flatten().is_some_and(|json| *json)
}

fn complete(mut program: Command, asked: &ArgMatches) -> Result<(), Failure> {
    let shell = asked.get_one::<String>("shell").expect("it is required");
    let generator: Shell = shell.parse().map_err(|error: String| Failure::new(2, error, "bash, zsh or fish"))?;
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(generator, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    if for_programs(asked) {
        say!("{}", json!({ "shell": shell, "script": script }));
    } else {
        print(format_args!("{script}"));
    }
    Ok(())
}

fn manual(program: &Command, asked: &ArgMatches) -> Result<(), Failure> {
    let pages = pages(program);
    if let Some(folder) = asked.get_one::<PathBuf>("out") {
        let written = write(folder, &pages)?;
        if for_programs(asked) {
            say!("{}", json!({ "written": written }));
        } else {
            written.iter().for_each(|path| say!("{}", path.display()));
        }
        return Ok(());
    }
    let of = asked.get_many::<String>("command").unwrap_or_default().map(String::as_str);
    let title = std::iter::once(program.get_name()).chain(of).collect::<Vec<_>>().join("-");
    let page = pages.iter().find(|page| page.title == title).ok_or_else(|| {
        Failure::new(2, format!("there is no page {title}"), format!("{} man, which names them", program.get_name()))
    })?;
    if for_programs(asked) {
        say!("{}", json!({ "page": page.title, "text": page.text }));
    } else {
        print(format_args!("{}", page.text));
    }
    Ok(())
}

/// All pages, each of them whole or not at all.
fn write(folder: &Path, pages: &[Page]) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |path: &Path, error: &io::Error| {
        Failure::new(
            1,
            format!("{} cannot be written: {error}", path.display()),
            "choose a folder you may write to, with room",
        )
    };
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    let written = pages.iter().map(|page| {
        let path = folder.join(page.file_name());
        replace(&path, &page.text).map_err(|error| cannot(&path, &error))?;
        Ok(path)
    });
    written.collect()
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.file_name().unwrap_or_else(|| OsStr::new(MAN)).to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    let done = fs::File::create(&beside)
        .and_then(|mut file| {
            io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        with_commands(Command::new("example").subcommand(Command::new("inner").subcommand(Command::new("most"))))
    }

    fn ask(line: &[&str]) -> Result<(), Failure> {
        let program = program();
        let asked = program.clone().try_get_matches_from(line).unwrap();
        assert!(is_asked(&asked));
        tell(&program, &asked)
    }

    #[test]
    fn a_page_or_a_shell_that_is_not_there_is_wrong_usage() {
        let unknown = ask(&["example", "man", "outer"]).unwrap_err();
        assert_eq!((unknown.exit, unknown.what.as_str()), (2, "there is no page example-outer"));
        assert!(program().try_get_matches_from(["example", "completions", "tcsh"]).is_err());
        assert!(!is_asked(&program().try_get_matches_from(["example", "inner", "most"]).unwrap()));
    }

    #[test]
    fn every_page_is_a_file_and_nothing_lies_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man1");
        ask(&["example", "man", "--out", out.to_str().unwrap()]).unwrap();
        let mut found: Vec<_> = fs::read_dir(&out).unwrap().map(|one| one.unwrap().file_name()).collect();
        found.sort();
        let expected = ["-completions", "-inner-most", "-inner", "-man", ""].map(|of| format!("example{of}.1"));
        assert_eq!(found, expected.map(std::ffi::OsString::from));
        // What is in the way is told with its name.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failed = ask(&["example", "man", "--out", file.to_str().unwrap()]).unwrap_err();
        assert!(failed.exit == 1 && failed.what.contains("file"), "{failed:?}");
    }
}

//! Exit codes in the help of every command: its own, or those of the group or the program it belongs to.

use clap::{Command, CommandFactory};

use crate::about;

/// With what the paragraph begins.
pub(crate) const EXIT_CODES: &str = "Exit codes:";

/// A program's commands as they are read, and as `--help` shows them: its own, and those that every program has.
#[must_use]
pub fn command<T: CommandFactory>() -> Command {
    with_exit_codes(about::with_commands(T::command()), None)
}

fn with_exit_codes(mut command: Command, of_group: Option<&str>) -> Command {
    let own = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let codes = own.find(EXIT_CODES).map(|begin| own[begin..].to_owned());
    let codes = codes.or_else(|| {
        let of_group = of_group?.to_owned();
        let told = if own.is_empty() { of_group.clone() } else { format!("{own}\n\n{of_group}") };
        command = std::mem::take(&mut command).after_help(told);
        Some(of_group)
    });
    command.mut_subcommands(|inner| with_exit_codes(inner, codes.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_own_exit_codes_or_those_above_it() {
        let leaf = Command::new("leaf").after_help("Example:\n  top group leaf");
        let own = Command::new("own").after_help("Exit codes: 0 own");
        let group = Command::new("group").subcommand(leaf).subcommand(own);
        let top = Command::new("top").after_help("Words.\n\nExit codes: 0 ok").subcommand(group);
        let top = with_exit_codes(top, None);
        let told = |path: &[&str]| {
            let found = path.iter().try_fold(&top, |at, name| at.find_subcommand(name)).unwrap();
            found.get_after_help().unwrap().to_string()
        };
        assert_eq!(told(&["group"]), "Exit codes: 0 ok");
        assert_eq!(told(&["group", "leaf"]), "Example:\n  top group leaf\n\nExit codes: 0 ok");
        assert_eq!(told(&["group", "own"]), "Exit codes: 0 own");
    }
}

//! Manual pages, one for each command, from what `--help` shows. clap_mangen writes what clap knows; examples and exit codes
//! are ours, and stand as they are typed: groff would fill lines and turn hyphens into dashes that no shell takes.

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::help::EXIT_CODES;

/// The manual that the pages are of, in their head.
const MANUAL: &str = "In Person";

/// The page of one command.
#[derive(Debug)]
pub(crate) struct Page {
    /// The words of the command, joined as `man` wants them: `certtool-trust-add`.
    pub(crate) title: String,
    /// In man(7).
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn file_name(&self) -> String {
        format!("{}.1", self.title)
    }
}

/// The pages of a program, its own first; none of commands that its help does not show.
pub(crate) fn pages(program: &Command) -> Vec<Page> {
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    walk(&program, program.get_version().unwrap_or_default(), &mut pages);
    pages
}

fn walk(command: &Command, version: &str, pages: &mut Vec<Page>) {
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push(Page { text: page(command, &title, version), title });
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).for_each(|inner| walk(inner, version, pages));
}

fn page(command: &Command, title: &str, version: &str) -> String {
    let program = title.split('-').next().unwrap_or(title);
    let of_clap = Man::new(command.clone());
    // Without a date, so that two builds have the same pages. clap_mangen leaves out what is empty, and then the version stands
    // where groff looks for the date.
    let mut text = format!(".TH \"{title}\" \"1\" \"\" \"{program} {version}\" \"{MANUAL}\"\n").into_bytes();
    let shows = |any: bool, part: fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>, text: &mut Vec<u8>| {
        if any {
            part(&of_clap, text).expect("writing to memory does not fail");
        }
    };
    shows(true, Man::render_name_section, &mut text);
    shows(true, Man::render_synopsis_section, &mut text);
    shows(true, Man::render_description_section, &mut text);
    shows(command.get_arguments().any(|one| !one.is_hide_set()), Man::render_options_section, &mut text);
    shows(command.get_subcommands().any(|one| !one.is_hide_set()), Man::render_subcommands_section, &mut text);
    let told = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    text.extend(after(&told).render().into_bytes());
    String::from_utf8_lossy(&text).into_owned()
}

/// What stands after the options in the help: examples, notes and exit codes, each under its heading.
fn after(told: &str) -> Roff {
    let mut page = Roff::new();
    let (mut section, mut as_typed, mut after_empty) = ("", false, false);
    for line in told.lines() {
        let typed = line.strip_prefix("  ");
        if as_typed && typed.is_none() {
            page.control("fi", []).control("RE", []);
            as_typed = false;
        }
        if let Some(typed) = typed {
            if !as_typed {
                page.control("RS", ["4"]).control("nf", []);
                as_typed = true;
            }
            page.text([roman(typed)]);
        } else if !line.is_empty() {
            let begins = heading(line, section);
            if begins != section {
                page.control("SH", [begins]);
                section = begins;
            } else if after_empty {
                page.control("PP", []);
            }
            let said = line.strip_prefix(EXIT_CODES).unwrap_or(line).trim();
            if !matches!(said, "" | "Example:" | "Examples:") {
                page.text([roman(said)]);
            }
        }
        after_empty = line.is_empty();
    }
    if as_typed {
        page.control("fi", []).control("RE", []);
    }
    page
}

/// The heading under which a line belongs that begins at the margin, after one under `section`.
fn heading<'a>(line: &str, section: &'a str) -> &'a str {
    match section {
        _ if line.starts_with("Example") => "EXAMPLES",
        _ if line.starts_with(EXIT_CODES) => "EXIT STATUS",
        "EXIT STATUS" => section,
        _ => "NOTES",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stand_as_they_are_typed_and_exit_codes_under_their_heading() {
        let told = "Examples:\n  x --json\n  x 'a\\b'\n\nMore of it.\n\nExit codes: 0 ok,\n1 failed.";
        let text = after(told).render();
        let expected = ".SH EXAMPLES\n.RS 4\n.nf\nx \\-\\-json\nx \\*(Aqa\\\\b\\*(Aq\n.fi\n.RE\n.SH NOTES\nMore of it.\n\
                        .SH \"EXIT STATUS\"\n0 ok,\n1 failed.\n";
        assert_eq!(text.split_once(".SH").map(|(_, rest)| format!(".SH{rest}")).unwrap(), expected, "{text}");
    }
}

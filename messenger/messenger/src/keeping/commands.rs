//! `messenger history`: the history on the command line, without going online.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ::history::{Conversation, Erase, Form, History, HistoryError, Kept, KeyPlace};
use clap::{Subcommand, ValueEnum};
use command_line::say;
use device::Home;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use key_store::PassphraseSource;
use messenger_engine::RoomId;
use serde_json::{Value, json};

use super::{create, folder, new_passphrase, opened, random};
use crate::app::slash;
use crate::contacts::ContactBook;
use crate::failure::{Code, Failure};
use crate::text::harmless;

macro_rules! help {
    ($example:literal) => {
        concat!("Example:\n  ", $example, "\n\nExit codes: 0 ok, 1 failed, 2 usage.")
    };
}

/// What to do with the history.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Do {
    /// Begin a history; nothing is kept in it before `on`
    #[command(after_help = help!("messenger history create --key keyring"))]
    Create {
        /// Where its key is to lie
        #[arg(long, value_name = "PLACE")]
        key: Place,
    },
    /// Keep a history of the conversation with somebody, or in a room, from now on
    #[command(after_help = help!("messenger history on bob@example.org --days 90"))]
    On {
        /// An address, a name of your own, a room's identifier, or its name once there is a history of it
        #[arg(value_name = "WHO")]
        who: String,
        /// Erase what is older than so many days
        #[arg(long, value_name = "DAYS", conflicts_with = "forever")]
        days: Option<u32>,
        /// Until you erase it
        #[arg(long)]
        forever: bool,
    },
    /// Keep none of it any more; what was kept stays
    #[command(after_help = help!("messenger history off bob@example.org"))]
    Off {
        /// An address, a name of your own, a room's identifier, or its name once there is a history of it
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Of what there is a history, how much, and for how long
    #[command(after_help = help!("messenger history list --json | jq -r '.conversations[].conversation'"))]
    List {
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Find texts by their words, newest first; the last word may be the beginning of one
    #[command(after_help = help!("messenger history search --with bob@example.org \"fresh bre\""))]
    Search {
        /// What to look for; words between quotation marks stand together
        #[arg(value_name = "WORDS")]
        words: String,
        /// In one conversation alone: an address, a name of your own, a room's name or identifier
        #[arg(long, value_name = "WHO")]
        with: Option<String>,
        /// At most so many, 1 to 500
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
        most: u16,
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Write it out, in clear: to standard output, or into a new file
    #[command(after_help = help!("messenger history export --with bob@example.org --as text bread.txt"))]
    Export {
        /// The file; it must not be there yet
        file: Option<PathBuf>,
        /// One conversation alone
        #[arg(long, value_name = "WHO")]
        with: Option<String>,
        /// JSON lines (docs/messenger.md), or text to read
        #[arg(long = "as", value_name = "FORM", default_value = "json")]
        form: Shape,
    },
    /// Erase texts for good: of a conversation, before a day, or all; whether it is kept from now on stays as it is
    #[command(after_help = help!("messenger history erase --with bob@example.org --before 2026-11-01"))]
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
    Erase {
        /// One conversation alone
        #[arg(long, value_name = "WHO", group = "what")]
        with: Option<String>,
        /// What came before this day
        #[arg(long, value_name = "DAY", group = "what")]
        before: Option<Date>,
        /// All of it
        #[arg(long, group = "what", conflicts_with_all = ["with", "before"])]
        all: bool,
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Throw the key away and erase everything: nobody reads it any more, nor any copy of it
    #[command(after_help = help!("messenger history forget --yes"))]
    Forget {
        /// That you mean it
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Move the key: into the keyring, or under another passphrase
    #[command(after_help = help!("messenger history key passphrase"))]
    Key {
        /// Where it is to lie
        #[arg(value_name = "PLACE")]
        place: Place,
        /// Where the new passphrase comes from: ask, file:PATH, fd:NUMBER or credential:NAME [default: ask]
        #[arg(long, value_name = "SOURCE")]
        new_passphrase: Option<PassphraseSource>,
    },
    /// Read all of it, and say whether anything is not as it was written
    #[command(after_help = help!("messenger history check"))]
    Check,
}

/// Where the key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// In the keyring of your session
    Keyring,
    /// In a file that a passphrase seals
    Passphrase,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// One object in each line
    Json,
    /// To read
    Text,
}

impl Do {
    /// Whether a program reads standard output.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::List { json } | Self::Search { json, .. } | Self::Erase { json, .. } => *json,
            _ => false,
        }
    }
}

/// Does it.
pub(crate) fn run(home: &Home, source: Option<&PassphraseSource>, asked: &Do) -> Result<(), Failure> {
    let open = || opened(&folder(home), source).map_err(failed);
    match asked {
        Do::Create { key } => {
            with_place(*key, source, |place| create(home, place).map(drop))?;
            say!("a history is begun; `messenger history on WHO`, or /history on in the messenger, keeps one");
        }
        Do::On { who, days, forever } => {
            let history = open()?;
            let (place, title) = meant(home, &history, who)?;
            history.keep(&place, &title, true).map_err(failed)?;
            if days.is_some() || *forever {
                history.retain(&place, *days).map_err(failed)?;
            }
            say!(
                "kept from now on: {}; a messenger that runs takes it up within a second, if its history is open",
                place.name()
            );
        }
        Do::Off { who } => {
            let history = open()?;
            let (place, title) = meant(home, &history, who)?;
            if !history.keeps(&place).map_err(failed)? {
                return Err(failed(HistoryError::NoConversation(place.name().to_owned())));
            }
            history.keep(&place, &title, false).map_err(failed)?;
            say!("not kept any more: {}; what was kept stays", place.name());
        }
        Do::List { json } => list(&open()?, *json)?,
        Do::Search { words, with, most, json } => search(home, &open()?, (words, with.as_deref(), *most), *json)?,
        Do::Export { file, with, form } => export(home, &open()?, (file.as_deref(), with.as_deref()), *form)?,
        Do::Erase { with, before, all: _, json } => {
            let mut history = open()?;
            let of = with.as_deref().map(|who| named(home, &history, who)).transpose()?;
            let before = before.map(beginning_of).transpose()?;
            let gone = history.erase(Erase { of: of.as_ref(), before }).map_err(failed)?;
            if *json { say!("{}", json!({ "erased": gone })) } else { say!("{gone} erased") }
        }
        Do::Forget { yes: _ } => {
            let folder = folder(home);
            if !folder.exists() {
                return Err(failed(HistoryError::None(folder.path().to_owned())));
            }
            folder.forget().map_err(failed)?;
            say!("the history is gone, and its key");
        }
        Do::Key { place, new_passphrase } => {
            let ask = PassphraseSource::Ask;
            let folder = folder(home);
            // That it opens is known before somebody chooses another one.
            let passphrase = match folder.needs_passphrase().map_err(failed)? {
                true => Some(source.unwrap_or(&ask).read(super::WHAT).map_err(|error| failed(error.into()))?),
                false => None,
            };
            let known = &mut || passphrase.clone().ok_or(key_store::PassphraseError::Differ);
            drop(folder.open(known).map_err(failed)?);
            let new = new_passphrase.as_ref();
            with_place(*place, new, |place| folder.move_key(known, place, &random()))?;
            say!("the key has moved");
        }
        Do::Check => {
            open()?.check().map_err(failed)?;
            say!("everything is as it was written");
        }
    }
    Ok(())
}

fn with_place(
    place: Place,
    source: Option<&PassphraseSource>,
    act: impl FnOnce(KeyPlace<'_>) -> Result<(), HistoryError>,
) -> Result<(), Failure> {
    let done = match place {
        Place::Keyring => act(KeyPlace::Keyring),
        Place::Passphrase => {
            let passphrase = new_passphrase(source).map_err(|error| failed(error.into()))?;
            act(KeyPlace::Passphrase(&passphrase))
        }
    };
    done.map_err(failed)
}

/// An address, or the name of one's own of a contact.
fn person(home: &Home, who: &str) -> Result<Conversation, Failure> {
    let named = ContactBook::new(home.clone()).load().ok().and_then(|contacts| {
        let mut fitting = contacts
            .into_iter()
            .filter(|(_, about)| about.name.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case(who)));
        fitting.next().map(|(who, _)| who).filter(|_| fitting.next().is_none())
    });
    let who = named.map_or_else(|| slash::identifier(who), Ok);
    who.map(|who| super::with(&who))
        .map_err(|problem| Failure::new(problem, "`messenger contacts list` shows whom you know").with(Code::Usage))
}

/// The same, or a room: by its identifier, or by the name that only one room has.
fn named(home: &Home, history: &History, who: &str) -> Result<Conversation, Failure> {
    let kept = history.list().map_err(failed)?;
    let exact = kept.iter().find(|kept| kept.conversation.name() == who);
    let rooms: Vec<&Kept> = kept.iter().filter(|kept| kept.title == who).collect();
    match (exact, &rooms[..]) {
        (Some(kept), _) => Ok(kept.conversation.clone()),
        (None, [room]) => Ok(room.conversation.clone()),
        (None, []) => {
            let place = person(home, who)?;
            let known = kept.iter().any(|kept| kept.conversation == place);
            known.then_some(place.clone()).ok_or_else(|| failed(HistoryError::NoConversation(place.name().to_owned())))
        }
        (None, _) => Err(Failure::new(
            format!("{} rooms are called {}", rooms.len(), harmless(who)),
            "name it by its identifier, which `messenger history list` shows",
        )
        .with(Code::Usage)),
    }
}

/// Of whom or what a history is to be kept: a room also if none ever was, by its identifier. With the room's name, if it is known.
fn meant(home: &Home, history: &History, who: &str) -> Result<(Conversation, String), Failure> {
    let place = match (who.parse::<RoomId>(), named(home, history, who)) {
        (Ok(room), _) => Conversation::Room(room.to_string()),
        (_, Ok(known)) => known,
        (_, Err(_)) => person(home, who)?,
    };
    let kept = history.list().map_err(failed)?;
    let title = kept.into_iter().find(|kept| kept.conversation == place).map(|kept| kept.title);
    Ok((place, title.unwrap_or_default()))
}

fn list(history: &History, json: bool) -> Result<(), Failure> {
    let all = history.list().map_err(failed)?;
    if json {
        let objects: Vec<Value> = all.iter().map(object).collect();
        say!("{}", json!({ "conversations": objects }));
        return Ok(());
    }
    for kept in &all {
        let name = match kept.title.as_str() {
            "" => kept.conversation.name().to_owned(),
            title => format!("# {} ({})", harmless(title), kept.conversation.name()),
        };
        let keeps = if kept.keeps { "on" } else { "off" };
        let days = kept.days.map(|days| format!(", for {days} days")).unwrap_or_default();
        let span = kept.span.map(|(first, last)| format!(", {} to {}", day(first), day(last))).unwrap_or_default();
        say!("{name}: {keeps}{days}, {} texts{span}", kept.entries);
    }
    if all.is_empty() {
        say!("nothing is kept; `messenger history on WHO` begins");
    }
    Ok(())
}

fn object(kept: &Kept) -> Value {
    let at = |ms| jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string();
    let mut object = json!({
        "conversation": kept.conversation.name(), "keeps": kept.keeps, "texts": kept.entries,
    });
    if !kept.title.is_empty() {
        object["room"] = json!(kept.title);
    }
    if let Some(days) = kept.days {
        object["days"] = json!(days);
    }
    if let Some((first, last)) = kept.span {
        (object["first"], object["last"]) = (json!(at(first)), json!(at(last)));
    }
    object
}

fn search(
    home: &Home,
    history: &History,
    (words, with, most): (&str, Option<&str>, u16),
    json: bool,
) -> Result<(), Failure> {
    let within = with.map(|who| named(home, history, who)).transpose()?;
    let found = history.search(words, within.as_ref(), None, most.into()).map_err(failed)?;
    if json {
        let lines = found.iter().map(|found| history.json(&found.conversation, &found.title, &found.entry));
        let lines: Vec<String> = lines.collect::<Result<_, _>>().map_err(failed)?;
        say!("{{\"found\":[{}]}}", lines.join(","));
        return Ok(());
    }
    for found in &found {
        say!("{}", history.words(&found.conversation, &found.title, &found.entry, (&TimeZone::system(), &harmless)));
    }
    if found.is_empty() {
        say!("nothing was found");
    }
    Ok(())
}

fn export(
    home: &Home,
    history: &History,
    (file, with): (Option<&Path>, Option<&str>),
    form: Shape,
) -> Result<(), Failure> {
    let of = with.map(|who| named(home, history, who)).transpose()?;
    let form = match form {
        Shape::Json => Form::JsonLines,
        Shape::Text => Form::Text(TimeZone::system(), &harmless),
    };
    let Some(path) = file else {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        return history.export(of.as_ref(), &form, &mut out).map(drop).map_err(failed);
    };
    let io = |source| failed(HistoryError::Io { path: path.to_owned(), source });
    let file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| match error
            .kind()
        {
            std::io::ErrorKind::AlreadyExists => {
                Failure::new(format!("{} is there already", path.display()), "another name, or move that file away")
            }
            _ => io(error),
        })?;
    let mut out = std::io::BufWriter::new(file);
    let written = history.export(of.as_ref(), &form, &mut out).map_err(failed).and_then(|count| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io)?;
        Ok(count)
    });
    // Half an export is none, and would be taken for all of it.
    let count = written.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    say!("{count} texts are in {}, in clear", path.display());
    Ok(())
}

/// When a day begins here.
fn beginning_of(day: Date) -> Result<i64, Failure> {
    let begins = day.to_zoned(TimeZone::system());
    begins
        .map(|begins| begins.timestamp().as_millisecond())
        .map_err(|error| Failure::new(error, "write the day as 2026-11-01").with(Code::Usage))
}

fn day(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::system());
    at.strftime("%Y-%m-%d").to_string()
}

fn failed(error: HistoryError) -> Failure {
    let remedy = error.remedy();
    Failure::new(error, remedy)
}

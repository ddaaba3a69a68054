//! What every face for people does alike: from the folder to the model, what the model asks for done, and an end that
//! loses nothing. The [screen] draws the model, the [linear] face says it line by line.

mod devices;
mod held;
mod history;
pub(crate) mod linear;
pub(crate) mod screen;

use std::collections::VecDeque;
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use device::finding::Finder;
use identity::trust::Trust;
use jiff::civil::DateTime;
use messenger_engine::{Command, Engine, Event, Events};
use tokio::signal::unix::{SignalKind, signal};

use crate::acquaintance::{self, Kept};
use crate::app::unsent::Safekept;
use crate::app::{App, Effect};
use crate::appearance;
use crate::contacts::{ContactBook, ContactsError};
use crate::drafts::{DraftsError, Safe};
use crate::failure::Failure;
use crate::keeping::{self, Keeper, now_ms};
use crate::lock;
use crate::own_devices::Desk;
use crate::picture;
use crate::places::Places;
use crate::settings;
use crate::start::Prepared;

/// How long leaving may take: rooms are left, connections closed.
const LEAVING: Duration = Duration::from_secs(3);

/// Whether to go on.
enum Next {
    GoOn,
    End(Ending),
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The person wanted it, and was told what would be lost.
    Asked,
    /// A signal came, or the terminal went.
    Forced,
}

/// The model and what it is about.
struct Session {
    app: Safekept,
    engine: Engine,
    book: ContactBook,
    trust: Arc<Trust>,
    finder: Arc<Finder>,
    seen: held::SeenLast,
    notifier: held::Notifier,
    /// The history on this device, if there is one.
    keeper: Keeper,
    /// What goes on between this device and others of the same person.
    desk: Desk,
    /// When it is looked for what another program has changed in it.
    looking: tokio::time::Interval,
}

impl Session {
    /// Starts the engine; the model has a screen of this size.
    async fn begin(prepared: Prepared, size: (u16, u16)) -> Result<(Self, Events), Failure> {
        let safe = prepared.safe()?;
        // Its passphrase may have to be asked for: before anything is drawn.
        let (keeper, unopened) = Keeper::open(&prepared.home, prepared.history_passphrase.as_ref(), now_ms());
        let (desk, unread) = prepared.desk(false);
        let (engine, events) = prepared.start(false)?;
        let app = App::new(prepared.me, prepared.contacts.keys().cloned(), size);
        let app = app.knowing(prepared.contacts).appearing(prepared.presence).behaving(prepared.behaviour);
        let app = app.placed(Places::found());
        let mut app = Safekept::new(app, safe.clone());
        give_back_drafts(&mut app, &safe);
        let (book, trust, finder) = (prepared.book, prepared.trust, prepared.finder);
        let (seen, notifier) = (held::SeenLast::default(), held::Notifier::default());
        for command in keeper.to_tell() {
            engine.send(command).await;
        }
        let looking = keeping::looking();
        let mut session = Self { app, engine, book, trust, finder, seen, notifier, keeper, desk, looking };
        if let Some(problem) = unread {
            session.app.hear(problem, now());
        }
        if let Some(error) = unopened.or(session.show_keeping().err()) {
            let words = format!("No history is kept in this run: {error}. What helps: {}.", error.remedy());
            session.app.tell_wrong(words);
        }
        Ok((session, events))
    }

    /// Takes in what the engine says.
    async fn hear(&mut self, event: Event) -> Next {
        let home = self.book.home();
        let problem = acquaintance::keep(home, &event).or_else(|| appearance::keep_as_told(home, &event));
        let unkept = self.keeper.hear_event(&event, now_ms());
        let (hidden, steps) = (self.desk.hides(&event), self.desk.hear(&event));
        let mut effects = if hidden { Vec::new() } else { self.app.hear(event, now()) };
        effects.extend(self.carry_out(steps));
        for problem in problem.into_iter().chain(unkept) {
            effects.extend(self.app.hear(problem, now()));
        }
        self.apply(effects).await
    }

    /// Does what the model asks for.
    async fn apply(&mut self, effects: Vec<Effect>) -> Next {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let kept = match effect {
                Effect::Engine(mut command) => {
                    if let Command::FileAccept { into, .. } = &command
                        && let Err(error) = std::fs::create_dir_all(into)
                    {
                        // The offer stands: it can be taken into another one.
                        self.app.tell_wrong(format!("{into}: {error}. /downloads FOLDER chooses another place."));
                        continue;
                    }
                    if let Some(problem) = self.keeper.hear_command(&mut command, now_ms()) {
                        effects.extend(self.app.hear(problem, now()));
                    }
                    self.engine.send(command).await;
                    Ok(())
                }
                Effect::History(deed) => {
                    effects.extend(self.do_in_history(deed));
                    Ok(())
                }
                Effect::Remember(who) => self.book.add(&who),
                Effect::Take(card) => {
                    match acquaintance::take(self.book.home(), &self.trust, &card, Kept::InFolder) {
                        Ok(words) => {
                            self.finder.learn(&card);
                            self.app.tell(words);
                        }
                        Err((message, remedy)) => self.app.tell_wrong(format!("{message}: {remedy}")),
                    }
                    Ok(())
                }
                Effect::Read(path) => {
                    let link = tokio::task::spawn_blocking(move || picture::link(&path)).await;
                    let link = link.unwrap_or_else(|_| Err("That picture cannot be read.".to_owned()));
                    effects.extend(self.app.pictured(link));
                    Ok(())
                }
                Effect::Forget(who) => self.book.remove(&who),
                Effect::About(who, about) => self.book.keep(&who, &about),
                Effect::Seen(seen) => match self.seen.take(seen, tokio::time::Instant::now()) {
                    Some(seen) => self.book.keep_seen(&seen),
                    None => Ok(()),
                },
                Effect::Devices(wish) => {
                    let steps = self.desk.wish(wish);
                    effects.extend(self.carry_out(steps));
                    Ok(())
                }
                Effect::Export(path) => {
                    self.exchanged(self.book.export(&path).map(|()| format!("{} is written.", path.display())));
                    Ok(())
                }
                Effect::Import(path) => {
                    self.import(&path).await;
                    Ok(())
                }
                Effect::Complete(begun) => {
                    let found = Places::found().completions(&begun);
                    self.app.completed(&begun, &found);
                    Ok(())
                }
                Effect::Notify(notification) => {
                    self.notifier.show(notification);
                    Ok(())
                }
                Effect::Behave(behaviour) => {
                    if let Err(error) = settings::keep(self.book.home(), &behaviour) {
                        // Whether a certificate for mail is told goes by the file (renewal.rs).
                        let wanted = behaviour.tell_mail_certificate;
                        let holds =
                            settings::load(self.book.home()).is_ok_and(|kept| kept.tell_mail_certificate == wanted);
                        self.app.tell_wrong(match holds {
                            true => format!("Not kept for the next start: {error}"),
                            false => {
                                format!("Not changed: your certificate for mail is told, or not, as before: {error}")
                            }
                        });
                    }
                    Ok(())
                }
                Effect::Lock => {
                    if self.lockable() {
                        self.app.lock();
                    }
                    Ok(())
                }
                Effect::CheckLock => {
                    self.lockable();
                    Ok(())
                }
                Effect::Unlock(passphrase) => {
                    let opened = match lock::opens(self.book.home(), &passphrase) {
                        Ok(true) => Ok(()),
                        Ok(false) => Err("That is not it.".to_owned()),
                        Err(error) => Err(error.to_string()),
                    };
                    self.app.tried(opened);
                    Ok(())
                }
                Effect::ChooseLock(passphrase) => {
                    match lock::choose(self.book.home(), &passphrase) {
                        Ok(()) => self.app.tell("Ctrl-L locks the screen, and this passphrase opens it.".to_owned()),
                        Err(error) => self.app.tell_wrong(error.to_string()),
                    }
                    Ok(())
                }
                Effect::Bell => {
                    let _ = stdout().write_all(b"\x07").and_then(|()| stdout().flush());
                    Ok(())
                }
                Effect::Quit => return Next::End(Ending::Asked),
            };
            if let Err(error) = kept {
                self.app.tell_wrong(format!("The contact list on disk was not changed: {error}"));
            }
        }
        Next::GoOn
    }

    /// Whether something opens the screen again; said if nothing does.
    fn lockable(&mut self) -> bool {
        match lock::possible(self.book.home()) {
            Ok(true) => return true,
            Ok(false) => {
                self.app.tell_wrong("Nothing would open it again: choose a /lock passphrase first.".to_owned());
            }
            Err(error) => self.app.tell_wrong(error.to_string()),
        }
        false
    }

    fn exchanged(&mut self, done: Result<String, ContactsError>) {
        match done {
            Ok(words) => self.app.tell(words),
            Err(error) => self.app.tell_wrong(format!("{error}.")),
        }
    }

    /// Takes in the contacts in a file: on disk first, so that a damaged one changes nothing.
    async fn import(&mut self, path: &Path) {
        match self.book.import(path).and_then(|_| self.book.load()) {
            Ok(contacts) => {
                for effect in self.app.imported(contacts) {
                    if let Effect::Engine(command) = effect {
                        self.engine.send(command).await;
                    }
                }
            }
            Err(error) => self.exchanged(Err(error)),
        }
    }

    /// Says farewell, and keeps what must not be lost. The terminal is free already: nobody waits for it.
    async fn end(mut self, ended: Result<Ending, Failure>, mut events: Events) -> Result<(), Failure> {
        // Whom she sees now she saw until now. If that is not kept, the end is not worth a word about it.
        let seen = self.app.see_last(now());
        let _ = self.book.keep_seen(&self.seen.rest(seen));
        // Whoever leaves by herself was asked; in any other end nothing of hers is lost, whatever happens next.
        let asked = matches!(ended, Ok(Ending::Asked));
        let kept_first = if asked { Ok(0) } else { self.app.keep() };
        self.engine.send(Command::Quit).await;
        // Nobody sees what comes now: no text of it is called delivered.
        events.not_taken();
        let farewells = async {
            while let Some(event) = events.recv().await {
                events.not_taken();
                let _ = self.keeper.hear_event(&event, now_ms());
                self.app.hear(event, now());
            }
        };
        let _ = tokio::time::timeout(LEAVING, farewells).await;
        if !asked {
            // By now some texts may have arrived, or are known not to have.
            tell_kept(kept_first.and_then(|count| if count == 0 { Ok(0) } else { self.app.keep_again() }))?;
        }
        ended.map(|_| ())
    }
}

/// What an earlier run kept is in the model, and no more on the disk.
fn give_back_drafts(app: &mut Safekept, safe: &Safe) {
    let found = safe.find();
    app.give_back(found.unsent, now());
    if let Err(error) = safe.remove(&found.files) {
        app.tell_wrong(format!("What was kept of an earlier run comes back at the next start too: {error}"));
    }
    for problem in found.problems {
        app.tell_wrong(format!("Drafts of an earlier run: {problem}"));
    }
}

/// Says on the terminal, if it is still there, what the next start gives back.
fn tell_kept(kept: Result<usize, DraftsError>) -> Result<(), Failure> {
    match kept {
        Ok(0) => Ok(()),
        Ok(count) => {
            let texts = if count == 1 { "1 text".to_owned() } else { format!("{count} texts") };
            let _ = writeln!(std::io::stderr(), "messenger: {texts}, nowhere but here, sealed until the next start");
            Ok(())
        }
        Err(error) => Err(Failure::new(format!("drafts could not be kept: {error}"), "mend the folder")),
    }
}

/// The engine's channel has ended, and nobody told it to.
fn engine_ended() -> Failure {
    Failure::new("the engine ended by itself", "start again: drafts are given back")
}

/// Waits for SIGTERM, SIGHUP or SIGINT.
pub(crate) async fn ended_by_signal() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler the signal ends the program by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

fn now() -> DateTime {
    jiff::Zoned::now().datetime()
}

//! The terminal: set up, put back in order however the program ends, and the loop between keys, engine and screen.

use std::io::{Write, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event as Input, EventStream};
use crossterm::execute;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen, SetTitle};
use device::finding::Finder;
use futures_util::StreamExt;
use identity::trust::Trust;
use jiff::civil::DateTime;
use messenger_engine::{Command, Engine, Event};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::acquaintance::{self, Kept};
use crate::app::unsent::Safekept;
use crate::app::{App, Effect};
use crate::appearance;
use crate::contacts::{ContactBook, ContactsError};
use crate::drafts::{DraftsError, Safe};
use crate::failure::Failure;
use crate::keys;
use crate::start::Prepared;
use crate::view::{self, theme::Theme};

/// Things taken in before the screen is drawn again: a burst costs one frame, a flood cannot stop the keys.
const MOST_PER_FRAME: usize = 256;

/// How long leaving may take: rooms are left, connections closed.
const LEAVING: Duration = Duration::from_secs(3);

/// Without a key for so long, others are told that nobody is at this device.
const IDLE_SECONDS: u32 = 5 * 60;
const IDLE: Duration = Duration::from_secs(IDLE_SECONDS as u64);

/// Whether the terminal is ours now; it is put back in order exactly once.
static OURS: AtomicBool = AtomicBool::new(false);

/// Runs the terminal messenger until the person leaves or a signal ends it.
pub(crate) async fn run(prepared: Prepared) -> Result<(), Failure> {
    let safe = prepared.safe()?;
    let (engine, mut events) = prepared.start(false)?;
    let size = terminal::size().map_err(terminal_failure)?;
    let app = App::new(prepared.me, prepared.contacts.keys().cloned(), size);
    let app = app.knowing(prepared.contacts).appearing(prepared.presence);
    let mut app = Safekept::new(app, safe.clone());
    give_back_drafts(&mut app, &safe);
    let (mut app, ended) = {
        let _ours = Ours::take(&app).map_err(terminal_failure)?;
        let screen = Terminal::new(CrosstermBackend::new(stdout())).map_err(terminal_failure)?;
        let idle = Idle { since: Instant::now(), told: false };
        let (engine, book, trust) = (engine.clone(), prepared.book.clone(), prepared.trust);
        let finder = prepared.finder;
        let theme = Theme::from_environment();
        let mut looping = Loop { app, engine, book, trust, finder, screen, theme, idle };
        let ended = looping.run(&mut events).await;
        (looping.app, ended)
    };
    // Whom she sees now she saw until now. It is not worth a word in an end that nobody asked for.
    let _ = prepared.book.keep_seen(&app.see_last(now()));
    // Whoever leaves by herself was asked; in any other end nothing of hers is lost, whatever happens next.
    let asked = matches!(ended, Ok(Ending::Asked));
    let kept_first = if asked { Ok(0) } else { app.keep() };
    // The terminal is free already: nobody waits for farewells.
    engine.send(Command::Quit).await;
    let farewells = async {
        while let Some(event) = events.recv().await {
            app.hear(event, now());
        }
    };
    let _ = tokio::time::timeout(LEAVING, farewells).await;
    if !asked {
        // By now some texts may have arrived, or are known not to have.
        tell_kept(kept_first.and_then(|_| app.keep()))?;
    }
    ended.map(|_| ())
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
            let texts = if count == 1 { "1 text is".to_owned() } else { format!("{count} texts are") };
            let words =
                format!("messenger: {texts} nowhere but here, sealed, until the next start gives back what it finds.");
            let _ = writeln!(std::io::stderr(), "{words}");
            Ok(())
        }
        Err(error) => Err(Failure::new(format!("drafts could not be kept: {error}"), "mend the folder")),
    }
}

struct Loop {
    app: Safekept,
    engine: Engine,
    book: ContactBook,
    trust: Arc<Trust>,
    finder: Arc<Finder>,
    screen: Terminal<CrosstermBackend<std::io::Stdout>>,
    theme: Theme,
    idle: Idle,
}

/// Whether anybody is at the keys.
struct Idle {
    /// When a key was pressed last.
    since: Instant,
    /// It was said that nobody is there.
    told: bool,
}

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

impl Loop {
    async fn run(&mut self, events: &mut mpsc::Receiver<Event>) -> Result<Ending, Failure> {
        let mut input = typed_input();
        let mut signal = std::pin::pin!(ended_by_signal());
        loop {
            self.screen.draw(|frame| view::draw(frame, &self.app, self.theme)).map_err(terminal_failure)?;
            let next = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.hear(event).await,
                    None => return Err(Failure::new("the engine ended by itself", "start again: drafts are given back")),
                },
                typed = input.recv() => match typed {
                    Some(typed) => self.typed(typed).await,
                    // The terminal is gone.
                    None => Next::End(Ending::Forced),
                },
                () = tokio::time::sleep_until(self.idle.since + IDLE), if !self.idle.told => {
                    self.idle.told = true;
                    self.engine.send(Command::SetIdle { seconds: IDLE_SECONDS }).await;
                    Next::GoOn
                }
                () = &mut signal => Next::End(Ending::Forced),
            };
            let next = if let Next::GoOn = next { self.catch_up(events, &mut input).await } else { next };
            if let Next::End(ending) = next {
                return Ok(ending);
            }
        }
    }

    /// Takes in what is there already.
    async fn catch_up(&mut self, events: &mut mpsc::Receiver<Event>, input: &mut mpsc::Receiver<Input>) -> Next {
        for _ in 0..MOST_PER_FRAME {
            let next = if let Ok(typed) = input.try_recv() {
                self.typed(typed).await
            } else if let Ok(event) = events.try_recv() {
                self.hear(event).await
            } else {
                break;
            };
            if let Next::End(_) = next {
                return next;
            }
        }
        Next::GoOn
    }

    async fn hear(&mut self, event: Event) -> Next {
        let home = self.book.home();
        let problem = acquaintance::keep(home, &event).or_else(|| appearance::keep(home, &event));
        let mut effects = self.app.hear(event, now());
        if let Some(problem) = problem {
            effects.extend(self.app.hear(problem, now()));
        }
        self.apply(effects).await
    }

    async fn typed(&mut self, typed: Input) -> Next {
        self.idle.since = Instant::now();
        if std::mem::take(&mut self.idle.told) {
            self.engine.send(Command::SetIdle { seconds: 0 }).await;
        }
        let effects = match typed {
            Input::Key(key) => match keys::action(key, self.app.place()) {
                Some(action) => self.app.act(action, now()),
                None => Vec::new(),
            },
            Input::Paste(text) => {
                self.app.paste(&text);
                Vec::new()
            }
            Input::Resize(columns, rows) => {
                self.app.resize(columns, rows);
                Vec::new()
            }
            Input::FocusGained | Input::FocusLost | Input::Mouse(_) => Vec::new(),
        };
        self.apply(effects).await
    }

    async fn apply(&mut self, effects: Vec<Effect>) -> Next {
        for effect in effects {
            let kept = match effect {
                Effect::Engine(command) => {
                    self.engine.send(command).await;
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
                Effect::Forget(who) => self.book.remove(&who),
                Effect::About(who, about) => self.book.keep(&who, &about),
                Effect::Seen(seen) => self.book.keep_seen(&seen),
                Effect::Export(path) => {
                    self.exchanged(self.book.export(&path).map(|()| format!("{} is written.", path.display())));
                    Ok(())
                }
                Effect::Import(path) => {
                    self.import(&path).await;
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
}

impl Loop {
    fn exchanged(&mut self, done: Result<String, ContactsError>) {
        match done {
            Ok(words) => self.app.tell(words),
            Err(error) => self.app.tell_wrong(format!("{error}.")),
        }
    }

    /// Takes in the contacts in a file: on disk first, so that a damaged one changes nothing.
    async fn import(&mut self, path: &std::path::Path) {
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
}

/// What is typed, through a channel: unlike the channel, the stream must not be asked in passing, for it would then
/// wake whoever asked in passing and not the loop. The channel ends when the terminal is gone.
fn typed_input() -> mpsc::Receiver<Input> {
    let (send, receive) = mpsc::channel(MOST_PER_FRAME);
    tokio::spawn(async move {
        let mut input = EventStream::new();
        while let Some(Ok(typed)) = input.next().await {
            if send.send(typed).await.is_err() {
                return;
            }
        }
    });
    receive
}

/// The terminal while it is ours; dropping it gives it back.
struct Ours;

impl Ours {
    fn take(app: &App) -> std::io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        terminal::enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        let ours = Self;
        execute!(
            stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            SetTitle(format!("In Person: {}", app.me.identifier))
        )?;
        Ok(ours)
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        give_back();
    }
}

/// Puts the terminal back in order, once, as well as it can: there is nobody to tell if it cannot.
fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
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

fn terminal_failure(error: std::io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}"), "another terminal, or `messenger headless`")
}

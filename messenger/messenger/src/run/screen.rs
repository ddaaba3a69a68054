//! The terminal: set up, put back in order however the program ends, and the loop between keys, engine and screen.

use std::io::stdout;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, Event as Input, EventStream,
};
use crossterm::execute;
use crossterm::style::Print;
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen, SetTitle};
use futures_util::StreamExt;
use identity::card::Link;
use messenger_engine::{Command, Events};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Ending, Next, Session, ended_by_signal, engine_ended, now};
use crate::app::Effect;
use crate::bidi;
use crate::failure::Failure;
use crate::keys;
use crate::start::Prepared;
use crate::view::{self, theme::Theme};

/// Things taken in before the screen is drawn again: a burst costs one frame, a flood cannot stop the keys.
const MOST_PER_FRAME: usize = 256;

/// Without a key for so long, others are told that nobody is at this device.
const IDLE_SECONDS: u32 = 5 * 60;
const IDLE: Duration = Duration::from_secs(IDLE_SECONDS as u64);

/// Whether the terminal is ours now; it is put back in order exactly once.
static OURS: AtomicBool = AtomicBool::new(false);

/// Runs the terminal messenger until the person leaves or a signal ends it.
pub(crate) async fn run(prepared: Prepared, opened: Option<&Link>, theme: Theme, mouse: bool) -> Result<(), Failure> {
    let size = terminal::size().map_err(terminal_failure)?;
    let (mut session, mut events) = Session::begin(prepared, size).await?;
    if let Some(link) = opened {
        session.app.propose(link);
    }
    let (session, ended) = on_screen(session, (theme, mouse), &mut events).await;
    session.end(ended, events).await
}

/// Takes the terminal, runs, and gives it back; the session comes back however that ends.
async fn on_screen(
    session: Session,
    (theme, mouse): (Theme, bool),
    events: &mut Events,
) -> (Session, Result<Ending, Failure>) {
    let _ours = match Ours::take(&format!("In Person: {}", session.app.me.identifier)) {
        Ok(ours) => ours,
        Err(error) => return (session, Err(terminal_failure(error))),
    };
    if mouse && let Err(error) = execute!(stdout(), EnableMouseCapture) {
        return (session, Err(terminal_failure(error)));
    }
    let screen = match Terminal::new(CrosstermBackend::new(stdout())) {
        Ok(screen) => screen,
        Err(error) => return (session, Err(terminal_failure(error))),
    };
    let idle = Idle { since: Instant::now(), on_the_wall: SystemTime::now(), told: false, open: false };
    let mut looping = Loop { session, screen, theme, idle };
    let ended = looping.run(events).await;
    (looping.session, ended)
}

struct Loop {
    session: Session,
    screen: Terminal<CrosstermBackend<std::io::Stdout>>,
    theme: Theme,
    idle: Idle,
}

/// Whether anybody is at the keys.
struct Idle {
    /// When a key was pressed last.
    since: Instant,
    /// The same by the clock on the wall, which goes on while the computer sleeps.
    on_the_wall: SystemTime,
    /// It was said that nobody is there.
    told: bool,
    /// The screen was to be locked and could not be; not tried again before the next key.
    open: bool,
}

impl Loop {
    async fn run(&mut self, events: &mut Events) -> Result<Ending, Failure> {
        let mut input = Typing::begin();
        let mut signal = std::pin::pin!(ended_by_signal());
        loop {
            self.screen.draw(|frame| view::draw(frame, &self.session.app, self.theme)).map_err(terminal_failure)?;
            // It is on the screen: whoever sent it may be told so.
            events.taken();
            let next = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.session.hear(event).await,
                    None => return Err(engine_ended()),
                },
                typed = input.next() => match typed {
                    Some(typed) => self.typed(typed).await,
                    // The terminal is gone.
                    None => Next::End(Ending::Forced),
                },
                () = tokio::time::sleep_until(self.idle.since + IDLE), if !self.idle.told => {
                    self.idle.told = true;
                    self.session.engine.send(Command::SetIdle { seconds: IDLE_SECONDS }).await;
                    Next::GoOn
                }
                () = until(self.lock_at()) => {
                    let next = self.session.apply(vec![Effect::Lock]).await;
                    self.idle.open = self.session.app.locked.is_none();
                    next
                }
                () = &mut signal => Next::End(Ending::Forced),
                _ = self.session.looking.tick(), if self.session.keeper.is_open() => self.session.take_up_history().await,
            };
            let next = if let Next::GoOn = next { self.catch_up(events, &mut input).await } else { next };
            if let Next::End(ending) = next {
                return Ok(ending);
            }
        }
    }

    /// After how long without a key the screen is locked by itself.
    fn lock_after(&self) -> Option<Duration> {
        let minutes = self.session.app.lock_after_minutes().filter(|_| !self.idle.open)?;
        Some(Duration::from_secs(60 * u64::from(minutes)))
    }

    /// When the screen is to be locked, if nobody presses a key.
    fn lock_at(&self) -> Option<Instant> {
        Some(self.idle.since + self.lock_after()?)
    }

    /// Takes in what is there already.
    async fn catch_up(&mut self, events: &mut Events, input: &mut Typing) -> Next {
        for _ in 0..MOST_PER_FRAME {
            let next = if let Ok(typed) = input.0.try_recv() {
                self.typed(typed).await
            } else if let Ok(event) = events.try_recv() {
                self.session.hear(event).await
            } else {
                break;
            };
            if let Next::End(_) = next {
                return next;
            }
        }
        Next::GoOn
    }

    /// Whether that time is over, by either clock.
    fn is_lock_due(&self) -> bool {
        let by_the_wall = self.idle.on_the_wall.elapsed().unwrap_or_default();
        self.lock_after().is_some_and(|after| self.idle.since.elapsed() >= after || by_the_wall >= after)
    }

    async fn typed(&mut self, typed: Input) -> Next {
        // Whoever comes late finds it locked, also if nothing could look at the time before.
        if self.is_lock_due()
            && let next @ Next::End(_) = self.session.apply(vec![Effect::Lock]).await
        {
            return next;
        }
        if matches!(typed, Input::Key(_) | Input::Paste(_) | Input::Mouse(_)) {
            self.idle.since = Instant::now();
            self.idle.on_the_wall = SystemTime::now();
            self.idle.open = false;
        }
        if std::mem::take(&mut self.idle.told) {
            self.session.engine.send(Command::SetIdle { seconds: 0 }).await;
        }
        let effects = match typed {
            Input::Key(key) => match keys::action(key, self.session.app.place()) {
                Some(action) => self.session.app.act(action, now()),
                None => Vec::new(),
            },
            Input::Paste(text) => {
                self.session.app.paste(&text);
                Vec::new()
            }
            Input::Resize(columns, rows) => {
                self.session.app.resize(columns, rows);
                Vec::new()
            }
            Input::FocusGained | Input::FocusLost => {
                self.session.app.focus(matches!(typed, Input::FocusGained));
                Vec::new()
            }
            Input::Mouse(mouse) => self.session.app.point(mouse, now()),
        };
        self.session.apply(effects).await
    }
}

/// Waits for a moment, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What is typed, through a channel: unlike the channel, the stream must not be asked in passing, for it would then
/// wake whoever asked in passing and not the loop. The channel ends when the terminal is gone.
pub(crate) struct Typing(mpsc::Receiver<Input>, JoinHandle<()>);

impl Typing {
    /// From now on, and until this is dropped: what is typed then is for whoever reads next.
    pub(crate) fn begin() -> Self {
        let (send, receive) = mpsc::channel(MOST_PER_FRAME);
        let reading = tokio::spawn(async move {
            let mut input = EventStream::new();
            while let Some(Ok(typed)) = input.next().await {
                if send.send(typed).await.is_err() {
                    return;
                }
            }
        });
        Self(receive, reading)
    }

    /// The next key, paste or change; nothing if the terminal is gone.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        self.0.recv().await
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        self.1.abort();
    }
}

/// The terminal while it is ours; dropping it gives it back.
pub(crate) struct Ours;

impl Ours {
    /// Takes it, with this title.
    pub(crate) fn take(title: &str) -> std::io::Result<Self> {
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
            EnableFocusChange,
            Print(bidi::EXPLICIT),
            SetTitle(title)
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
        let _ = execute!(
            stdout(),
            Print(bidi::IMPLICIT),
            // Where it was not taken this changes nothing.
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            crossterm::cursor::Show
        );
        let _ = terminal::disable_raw_mode();
    }
}

pub(crate) fn terminal_failure(error: std::io::Error) -> Failure {
    Failure::new(format!("the terminal cannot be used: {error}"), "another terminal, or `messenger headless`")
}

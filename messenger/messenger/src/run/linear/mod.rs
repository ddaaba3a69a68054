//! The messenger line by line, for screen readers, braille displays and slow lines: no screen is taken over, nothing is drawn
//! with boxes, nothing moves. What happens is a sentence on a line of its own; what one types is a line too.

mod face;
mod files;
mod words;

use std::io::Write as _;

use identity::card::Link;
use messenger_engine::{Event, Events};
use tokio::sync::mpsc;

use self::face::Face;
use super::{Ending, Next, Session, ended_by_signal, engine_ended, now};
use crate::app::Cover;
use crate::failure::Failure;
use crate::lines::Line;
use crate::start::Prepared;

/// The model wants a size for where things are drawn; nothing is.
const NO_SCREEN: (u16, u16) = (80, 24);

/// Runs until the person leaves or a signal ends it.
pub(crate) async fn run(prepared: Prepared, opened: Option<&Link>, typed: mpsc::Receiver<Line>) -> Result<(), Failure> {
    let (mut session, mut events) = Session::begin(prepared, NO_SCREEN).await?;
    // What stands in a prompt stays there while one types.
    session.app.keep_the_choice();
    if let Some(link) = opened {
        session.app.propose(link);
    }
    let ended = converse(&mut session, &mut events, typed).await;
    session.end(ended, events).await
}

async fn converse(
    session: &mut Session,
    events: &mut Events,
    mut typed: mpsc::Receiver<Line>,
) -> Result<Ending, Failure> {
    let mut signal = std::pin::pin!(ended_by_signal());
    let mut face = Face::default();
    say(&face.greeting(&session.app))?;
    say(face.notice(&mut session.app).as_slice())?;
    let mut prompted = false;
    loop {
        if !prompted {
            prompt(&face.prompt(&session.app))?;
        }
        prompted = true;
        let next = tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    let hidden = session.desk.hides(&event);
                    let mut lines = if hidden { Vec::new() } else { words::of_event(&event, &session.app, now()) };
                    let told = matches!(event, Event::Presence { .. }) && !lines.is_empty();
                    let next = session.hear(event).await;
                    let notice = face.notice(&mut session.app);
                    // Of comings and goings the sentence tells; the bell says that they were waited for.
                    lines.extend(notice.filter(|_| !told));
                    // The cursor stands behind the prompt, and perhaps behind half a line.
                    if !lines.is_empty() {
                        lines.insert(0, String::new());
                        prompted = false;
                    }
                    say(&lines)?;
                    next
                }
                None => return Err(engine_ended()),
            },
            line = typed.recv() => match line {
                Some(line) => {
                    prompted = false;
                    take(session, &mut face, line).await?
                }
                // Ctrl-D: as Ctrl-Q on the screen, it asks once; a terminal that is gone cannot be asked.
                None => {
                    face.leave(&mut session.app);
                    return Ok(if session.app.at_stake() == 0 { Ending::Asked } else { Ending::Forced });
                }
            },
            () = &mut signal => {
                face.leave(&mut session.app);
                return Ok(Ending::Forced);
            }
            _ = session.looking.tick(), if session.keeper.is_open() => {
                let next = session.take_up_history().await;
                if let Some(notice) = face.notice(&mut session.app) {
                    prompted = false;
                    say(&[String::new(), notice])?;
                }
                next
            }
        };
        if let Next::End(ending) = next {
            return Ok(ending);
        }
    }
}

/// Does what a line asks for and says what it came to.
async fn take(session: &mut Session, face: &mut Face, line: Line) -> Result<Next, Failure> {
    let line = match line {
        Ok(line) => String::from_utf8_lossy(&line).into_owned(),
        Err(found) => {
            say(&[format!("That line has {found} bytes, more than a message may have. Send it in parts.")])?;
            return Ok(Next::GoOn);
        }
    };
    let (effects, mut lines) = face.take(&mut session.app, line.trim_end_matches('\r'), now());
    let next = session.apply(effects).await;
    // What was looked for is found by now, and an invitation made; every other page was said before.
    if matches!(session.app.cover, Some(Cover::Found { .. } | Cover::Invitation { .. })) {
        lines.extend(face.cover(&mut session.app));
    }
    lines.extend(face.notice(&mut session.app));
    say(&lines)?;
    Ok(next)
}

fn say(lines: &[String]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    written.map_err(gone)
}

fn prompt(words: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    write!(out, "{words}").and_then(|()| out.flush()).map_err(gone)
}

fn gone(error: std::io::Error) -> Failure {
    Failure::new(format!("nobody hears what the messenger says: {error}"), "another terminal")
}

//! A turn of the driver: one thing is waited for; what else is there by then is taken with it, and what all of it asks for is done
//! at once. So there is one packet for many texts, one acknowledgement, and one waking of the client.

use futures_util::FutureExt as _;

use super::Driver;
use crate::api::Command;
use crate::core::Receipt;
use crate::time::Now;

/// As many commands, and as many frames, are taken in one turn at most: nobody waits for somebody else's flood. It is a window of
/// texts.
const TOGETHER: usize = crate::session::WINDOW;

impl Driver {
    pub(super) fn command(&mut self, command: Command, now: Now) {
        // What the client took before it asked: a session may end over the command.
        self.acknowledge(None);
        self.core.command(command, now);
    }

    /// Takes with what was waited for what else is there, no more of it than [`TOGETHER`]: what it asks for is done at once.
    /// Returns whether there was anything.
    pub(super) fn take_what_is_there(&mut self) -> bool {
        let (now, mut took) = (Now::read(), false);
        for _ in 0..TOGETHER {
            let Ok(command) = self.commands.try_recv() else { break };
            self.command(command, now);
            took = true;
        }
        for _ in 0..TOGETHER {
            if self.telling.is_full() {
                break;
            }
            let Some(happening) = self.reader.next().now_or_never().flatten() else { break };
            self.happened(happening, now);
            took = true;
        }
        self.acknowledge(None);
        took
    }

    /// Acknowledges everything that the client has taken by now.
    pub(super) fn acknowledge(&mut self, first: Option<Vec<Receipt>>) {
        let taken = &mut self.taken;
        self.core.taken(first.into_iter().chain(std::iter::from_fn(|| taken.try_recv().ok())).flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::StreamExt as _;
    use tokio::sync::mpsc;

    use super::super::happening::Happening;
    use super::super::testing::driver;
    use super::*;
    use crate::api::Event;
    use crate::events::Told;
    use crate::wire::TalkFrame;

    /// A peer whose frames never end, and how many of them were taken.
    fn flood(driver: &mut Driver) -> Arc<AtomicUsize> {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let frames = std::iter::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            vec![Happening::Talk { connection: 7, frame: TalkFrame::Typing { typing: true } }]
        });
        driver.reader.read(futures_util::stream::iter(frames).boxed());
        taken
    }

    /// Commands that make an error each, in their order.
    fn command(driver: &mut Driver, count: usize) -> mpsc::Sender<Command> {
        let (commands, commanded) = mpsc::channel(count);
        for number in 0..count {
            commands.try_send(Command::Typing { to: format!("nobody {number}"), typing: true }).unwrap();
        }
        driver.commands = commanded;
        commands
    }

    fn errors(driver: &Driver) -> usize {
        driver.telling.pending.iter().filter(|told| matches!(told.event, Event::Error { .. })).count()
    }

    #[tokio::test]
    async fn a_flood_of_frames_lets_commands_through_and_a_flood_of_commands_lets_frames_through() {
        let mut driver = driver();
        let (frames, _commands) = (flood(&mut driver), command(&mut driver, 3 * TOGETHER));
        for turn in 1..=3 {
            assert!(driver.take_what_is_there());
            driver.act();
            assert_eq!((frames.load(Ordering::Relaxed), errors(&driver)), (turn * TOGETHER, turn * TOGETHER));
        }
    }

    #[tokio::test]
    async fn who_is_slow_makes_peers_wait_and_is_obeyed_all_the_same() {
        let mut driver = driver();
        let (frames, _commands) = (flood(&mut driver), command(&mut driver, 1));
        while !driver.telling.is_full() {
            driver.telling.pending.push_back(Told::plain(Event::Offline { reason: "x".into() }));
        }
        driver.take_what_is_there();
        driver.act();
        assert_eq!((frames.load(Ordering::Relaxed), errors(&driver)), (0, 1));
        assert!(!driver.take_what_is_there(), "there is nothing more for it");
        driver.telling.pending.clear();
        assert!(driver.take_what_is_there());
        assert_eq!(frames.load(Ordering::Relaxed), TOGETHER);
    }
}

//! The client's end of the engine: events in their order, and by asking for the next one the word that the last one was
//! taken.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::api::Event;
use crate::core::Receipt;

/// As many events come together at most.
pub(crate) const TOGETHER: usize = 512;

/// An event on its way to the client.
#[derive(Debug)]
pub struct Told {
    /// What is told.
    pub event: Event,
    /// What the other device waits for until the client has taken the event.
    pub receipt: Option<Receipt>,
}

impl Told {
    /// An event for which nobody waits.
    pub(crate) fn plain(event: Event) -> Self {
        Self { event, receipt: None }
    }
}

/// What a running engine says.
///
/// A text is acknowledged to its sender, for whom it is *delivered* then, when the client has *taken* it: when it asks for
/// the next event, or says so with [`Self::taken`]. So a client first does with an event what it does with it (shows it,
/// writes it out), and then asks for the next. What it never takes, because it ends before, is never called delivered.
#[derive(Debug)]
pub struct Events {
    told: mpsc::Receiver<Vec<Told>>,
    /// Come together with the last one, and not handed out yet.
    come: std::vec::IntoIter<Told>,
    receipts: mpsc::UnboundedSender<Vec<Receipt>>,
    /// Of the events that the client has and has not taken yet.
    in_hand: Vec<Receipt>,
}

impl Events {
    /// The client's end, and where its receipts come out. These are no more than the events it was handed out.
    pub(crate) fn new(told: mpsc::Receiver<Vec<Told>>) -> (Self, mpsc::UnboundedReceiver<Vec<Receipt>>) {
        let (receipts, taken) = mpsc::unbounded_channel();
        (Self { told, come: Vec::new().into_iter(), receipts, in_hand: Vec::new() }, taken)
    }

    /// The next event; those before it were taken. None when the engine has ended. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        self.taken();
        loop {
            if let Some(told) = self.come.next() {
                return Some(self.hand_out(told));
            }
            self.come = self.told.recv().await?.into_iter();
        }
    }

    /// The next event if there is one already. Those before it are not taken by that: a client may have several in hand, and
    /// say of all of them that they are taken once it has shown them.
    ///
    /// # Errors
    /// There is none now, or the engine has ended.
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        loop {
            if let Some(told) = self.come.next() {
                return Ok(self.hand_out(told));
            }
            self.come = self.told.try_recv()?.into_iter();
        }
    }

    /// Says that what was handed out was taken, without asking for the next one.
    pub fn taken(&mut self) {
        if !self.in_hand.is_empty() {
            // Nobody waits for them any more if the engine has ended.
            let _ = self.receipts.send(std::mem::take(&mut self.in_hand));
        }
    }

    /// Says that what is in hand was not taken, and never will be: whoever waits for it is not told that it was.
    pub fn not_taken(&mut self) {
        self.in_hand.clear();
    }

    /// Waits for the engine's end. What comes until then is not taken.
    pub(crate) async fn end(&mut self) {
        self.not_taken();
        self.come = Vec::new().into_iter();
        while self.told.recv().await.is_some() {}
    }

    fn hand_out(&mut self, told: Told) -> Event {
        self.in_hand.extend(told.receipt);
        told.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str) -> Event {
        Event::Offline { reason: reason.into() }
    }

    #[tokio::test]
    async fn an_event_is_taken_when_the_next_one_is_asked_for() {
        let (tell, told) = mpsc::channel(4);
        let (mut events, mut taken) = Events::new(told);
        for number in [1, 2] {
            tell.send(vec![Told { event: event("x"), receipt: Some(Receipt(number)) }]).await.unwrap();
        }
        tell.send(vec![Told::plain(event("y"))]).await.unwrap();
        assert_eq!(events.recv().await, Some(event("x")));
        assert!(taken.try_recv().is_err(), "the client has it, and has not taken it");
        assert_eq!(events.try_recv(), Ok(event("x")));
        assert!(taken.try_recv().is_err(), "it has both in hand");
        events.taken();
        events.taken();
        assert_eq!(taken.try_recv(), Ok(vec![Receipt(1), Receipt(2)]));
        assert_eq!(events.recv().await, Some(event("y")));
        assert!(events.try_recv().is_err());
        assert!(taken.try_recv().is_err(), "each once, and nobody waits for the third");
    }

    #[tokio::test]
    async fn of_events_that_came_together_each_is_taken_by_itself() {
        let (tell, told) = mpsc::channel(1);
        let (mut events, mut taken) = Events::new(told);
        let numbered = |number| Told { event: event("x"), receipt: Some(Receipt(number)) };
        tell.send((1..=3).map(numbered).collect()).await.unwrap();
        events.recv().await.unwrap();
        assert!(taken.try_recv().is_err(), "the client has one, and has taken none");
        events.recv().await.unwrap();
        assert_eq!(taken.try_recv(), Ok(vec![Receipt(1)]));
        assert!(taken.try_recv().is_err(), "the third was not even handed out");
        events.not_taken();
        drop(tell);
        events.end().await;
        drop(events);
        assert_eq!(taken.recv().await, None, "what ends with the client was not taken");
    }

    #[tokio::test]
    async fn what_was_never_taken_is_never_told() {
        let (tell, told) = mpsc::channel(4);
        let (mut events, mut taken) = Events::new(told);
        tell.send(vec![Told { event: event("x"), receipt: Some(Receipt(1)) }]).await.unwrap();
        assert_eq!(events.recv().await, Some(event("x")));
        events.not_taken();
        tell.send(vec![Told { event: event("x"), receipt: Some(Receipt(2)) }]).await.unwrap();
        drop(tell);
        events.end().await;
        drop(events);
        assert_eq!(taken.recv().await, None);
    }
}

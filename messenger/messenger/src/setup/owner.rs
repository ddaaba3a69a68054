//! The person on the other side of an enrolment, asked through a channel: the enrolment goes on while a page is shown.

use device::acme::Holder;
use device::enrolment::{Aside, Conversation, Step, Typed};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// What the enrolment says or wants to know.
#[derive(Debug)]
pub(super) enum Asked {
    Step(Step),
    /// The message with the code did not leave.
    NotSent(String),
    Code(oneshot::Sender<Typed>),
    /// Whether she agrees to the terms at this address.
    Terms(String, oneshot::Sender<bool>),
}

#[derive(Debug)]
pub(super) struct Owner(mpsc::UnboundedSender<Asked>);

impl Owner {
    /// One whose questions come out at the other end. There are a few for each thing that she does.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Asked>) {
        let (ask, asked) = mpsc::unbounded_channel();
        (Self(ask), asked)
    }
}

impl Holder for Owner {
    fn agrees<'a>(&'a mut self, terms: &'a str) -> BoxFuture<'a, bool> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Asked::Terms(terms.to_owned(), answer));
        async { answered.await.unwrap_or(false) }.boxed()
    }
}

impl Conversation for Owner {
    fn step(&mut self, step: Step) {
        let _ = self.0.send(Asked::Step(step));
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Asked::Code(answer));
        async { answered.await.unwrap_or(Typed::Nothing) }.boxed()
    }

    fn aside(&self) -> Aside {
        let ask = self.0.clone();
        Box::new(move |reason| {
            let _ = ask.send(Asked::NotSent(reason.to_owned()));
        })
    }
}

//! The person on the other side of an enrolment: what she is told, and what she is asked.

use futures_util::future::BoxFuture;
use identity::Identifier;

use super::CodeShape;
use crate::acme::Holder;

/// What happens during an enrolment, for a person to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The authority is being asked.
    Asking {
        /// Its name.
        authority: String,
        /// Its address.
        url: String,
    },
    /// The certificate that is here is revoked; a new key and certificate are made.
    Revoked,
    /// An order from before goes on.
    Resuming,
    /// A code was sent.
    CodeSent {
        /// To whom, in canonical form.
        to: Identifier,
        /// Whether it was sent in an earlier run, not just now.
        earlier: bool,
        /// Why the message before it could not be handed over, if so.
        failed: Option<String>,
        /// Thumbprint of the account key (RFC 7638). A mail names it, so that the person can see that it is hers.
        account: String,
    },
    /// The code was wrong.
    CodeWrong {
        /// How many more times one can be typed, if the authority said so.
        tries_left: Option<u32>,
    },
    /// What was typed cannot be a code; it was not handed in and cost no try.
    CodeMisshapen {
        /// What codes look like here.
        expected: CodeShape,
        /// What was found, without the text itself.
        found: String,
    },
    /// A mail was sent that is to be replied to.
    ReplyAsked {
        /// To whom, in canonical form.
        to: Identifier,
        /// Who it is from.
        from: String,
        /// Whether it was sent in an earlier run.
        earlier: bool,
    },
    /// What was given cannot be the subject of such a mail.
    SubjectMisshapen {
        /// What was found, without the text itself.
        found: String,
    },
    /// The reply is ready to be sent, by her mail program.
    ReplyReady {
        /// To whom.
        to: String,
        /// With this subject, which the mail has already.
        subject: String,
        /// With these lines.
        text: String,
    },
    /// The reply is waited for.
    AwaitingReply,
    /// What came of her reply so far could not be noted by the authority. It is still waited for.
    ReplyDelayed {
        /// What the authority said.
        reason: String,
    },
    /// A reply came that proves nothing; another may come.
    ReplyRefused {
        /// What the authority said.
        reason: String,
    },
    /// She is to log in with her browser, at this address.
    LogIn {
        /// At whom.
        issuer: String,
        /// Where the browser begins. For her own browser alone: who follows it elsewhere logs in for this device.
        url: String,
    },
    /// She is still waited for.
    WaitingForLogIn {
        /// How long so far.
        seconds: u64,
    },
    /// She came back.
    LoggedIn {
        /// From whom.
        issuer: String,
    },
    /// Control is proven.
    Proven,
    /// The authority logs and signs.
    Issuing,
    /// The certificate came and is being verified.
    Verifying,
}

/// How a person wants to prove that an address is hers, where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// She types a code.
    #[default]
    Code,
    /// She replies to a mail.
    Reply,
    /// She logs in at an issuer of OpenID.
    OpenId,
}

/// What a person types when she is asked for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// The code.
    Code(String),
    /// Send another one.
    SendAgain,
    /// She gives up for now.
    Nothing,
}

/// Tells a person something beside what she is asked.
pub type Aside = Box<dyn Fn(&str) + Send + Sync>;

/// The person on the other side of an enrolment.
pub trait Conversation: Holder {
    /// Something happened.
    fn step(&mut self, step: Step);
    /// Whether anybody can be asked. If not, and control has to be proven anew, no message is sent for nothing.
    fn is_there(&self) -> bool {
        true
    }
    /// Asks for the code that was sent.
    fn code(&mut self) -> BoxFuture<'_, Typed>;
    /// How she is told, while she is being asked for the code, that the message with it did not leave, and why.
    fn aside(&self) -> Aside {
        Box::new(|_| {})
    }
    /// How she wants to prove that the address is hers.
    fn way(&self) -> Way {
        Way::default()
    }
    /// At which issuer of OpenID she wants to log in, where several vouch for her address; the first one, if she does not
    /// say.
    fn issuer(&self) -> Option<&str> {
        None
    }
    /// Asks for the subject of the mail that is to be replied to.
    fn subject(&mut self) -> BoxFuture<'_, Typed> {
        self.code()
    }
    /// Whether she can be asked again if what she typed cannot be a code; if not, the enrolment ends with that error.
    fn asks_again(&self) -> bool {
        true
    }
}

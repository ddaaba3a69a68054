//! Events: what the engine tells its client.

mod name;

use identity::Identifier;
use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{
    CallId, CertificateState, DeliveryState, Direction, MailCertificate, Missing, NoMail, Peer, PresenceSettings,
    Purpose, RoomChange, RoomId, RoomOrder, RoomSuite, RoomTextRef, Seen, SessionState, Side, TextRef, TransferId,
    TransferState, Unanswered, Via, WatchVerdict,
};
use crate::punch::Obstacle;

/// One thing that happened. As JSON: `{"event":"presence","who":"bob@example.org","online":true}`.
///
/// Readers must ignore members and events they do not know; the engine only ever adds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The directory knows this device; from now on presence is pushed.
    Online {
        /// The person this device speaks for.
        identifier: Identifier,
        /// The directory's name.
        directory: String,
    },
    /// The connection to the directory is gone: nobody can introduce this device. The engine tries again by itself
    /// unless told to be offline.
    Offline {
        /// Why, for people.
        reason: String,
    },
    /// A contact came or went, or shows herself differently.
    Presence {
        /// The contact.
        who: Identifier,
        /// Whether a device of hers is connected to the directory and visible to this one.
        online: bool,
        /// What she shows of herself.
        #[serde(flatten)]
        seen: Seen,
    },
    /// How one appears oneself, after every change; and after `online`, unless all is as it is without any setting.
    /// The client keeps it, and gives it back at the next start.
    Appearance(PresenceSettings),
    /// Somebody who is no contact (or wants a call) asks to be connected. Answer with `accept` or `decline`.
    Incoming {
        /// The call, for the answer.
        call: CallId,
        /// Who, by the certificate shown to the directory.
        from: Identifier,
        /// What for.
        purpose: Purpose,
        /// Whether the caller is a contact.
        contact: bool,
    },
    /// The knock of an `incoming` event is over without an answer: the caller gave up, or nobody answered in time.
    IncomingEnded {
        /// The call.
        call: CallId,
        /// Why, for people.
        reason: String,
    },
    /// Somebody whom one knows (a contact, or whom one accepted or called) was seen for the first time: from now on
    /// another authority's certificate for her is refused. The client keeps it, and gives it back in the trust of the
    /// next start.
    FirstSeen {
        /// Who.
        who: Identifier,
        /// The authority that certified her, by its name in the trust policy.
        authority: String,
        /// SHA-256 of the SubjectPublicKeyInfo of that authority's root: this is what counts.
        root: Fingerprint,
        /// SHA-256 of the SubjectPublicKeyInfo of her device's key.
        device: Fingerprint,
    },
    /// A conversation with somebody's device begins.
    Peer(Peer),
    /// Somebody's device told her certificate for mail: in each conversation, and when it is asked for.
    MailCertificate(MailCertificate),
    /// A certificate for mail that was asked for did not come.
    NoMailCertificate {
        /// Whose.
        who: Identifier,
        /// Why.
        because: NoMail,
        /// What happened, for people.
        message: String,
        /// What to try.
        remedy: String,
    },
    /// A text from one person, shown once however often it was sent.
    Message {
        /// The number by which one refers to it: the sender's own for it, unless another text of hers has that one already.
        id: u64,
        /// The sender, by the verified certificate of the connection it came on.
        from: Identifier,
        /// The text, as sent: whoever shows it must make control characters harmless.
        text: String,
        /// Whether a program wrote it, by its own word. Bots do not answer bots.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bot: bool,
        /// The text that it answers, if this device knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<TextRef>,
    },
    /// Somebody reacts to a text; it replaces her last reaction to it.
    Reaction {
        /// Who.
        from: Identifier,
        /// To which text.
        on: TextRef,
        /// The reaction, as sent: whoever shows it must make it harmless. Empty: there is none any more.
        emoji: String,
    },
    /// Somebody asks to show another text in place of one of hers.
    Edited {
        /// Who.
        from: Identifier,
        /// The number of her text.
        id: u64,
        /// The other text, as sent.
        text: String,
    },
    /// Somebody asks to delete one of her texts.
    DeleteRequested {
        /// Who.
        from: Identifier,
        /// The number of her text.
        id: u64,
    },
    /// Somebody wants to be noticed.
    Nudge {
        /// Who.
        from: Identifier,
    },
    /// Somebody goes on with the conversation at another device of hers.
    Continued {
        /// Who.
        from: Identifier,
    },
    /// Somebody's device says that one went on with the conversation at another device of one's own.
    ContinuedElsewhere {
        /// Whose.
        who: Identifier,
    },
    /// Somebody is writing a text, or no longer.
    Typing {
        /// Who.
        who: Identifier,
        /// Whether.
        typing: bool,
    },
    /// Somebody's device says that it keeps a history of the conversation, or no longer; told when it changes.
    History {
        /// Who.
        who: Identifier,
        /// Whether.
        keeps: bool,
    },
    /// Somebody has seen texts of one's own.
    Read {
        /// Who.
        who: Identifier,
        /// Their numbers.
        ids: Vec<u64>,
    },
    /// How far a text of one's own got, or something else that was sent under a number.
    MessageState {
        /// The number given to it.
        id: u64,
        /// The recipient.
        to: Identifier,
        /// How far.
        state: DeliveryState,
        /// Why, for people; only with `not_delivered` and `unknown`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A call of one's own was passed on: it rings where somebody is there and lets one knock. Told, as what follows, where
    /// the person wanted the call.
    Ringing {
        /// Who is called.
        who: Identifier,
    },
    /// A call of one's own is over, and nobody took it. What waited for it is `not_delivered`.
    Unanswered {
        /// Who was called.
        who: Identifier,
        /// What became of it.
        because: Unanswered,
        /// What happened, for people.
        message: String,
        /// What to try.
        remedy: String,
    },
    /// Both sides agreed to talk, and no direct connection came about. Told where the person wanted it: she called, or
    /// took a call.
    Unreachable {
        /// Who.
        who: Identifier,
        /// What stands between, as far as this side can tell.
        because: Obstacle,
        /// What happened, for people.
        message: String,
        /// What to try.
        remedy: String,
    },
    /// The conversation with a person's device lost its connection, or may lose it, and looks for another one; how that
    /// ends follows. Texts may be sent meanwhile; they wait.
    Session {
        /// The person.
        who: Identifier,
        /// How it stands.
        state: SessionState,
        /// Why, for people; only with `lost`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A host asks one into a room. Answer with `room_accept` or `room_decline`.
    RoomInvitation {
        /// The room.
        room: RoomId,
        /// Its name.
        name: String,
        /// The host.
        from: Identifier,
        /// Who is in it, by the host's word; the certificates are verified on entering.
        members: Vec<Identifier>,
        /// With which cryptography it was made; absent if that is the hybrid one.
        #[serde(default, skip_serializing_if = "RoomSuite::is_default")]
        suite: RoomSuite,
    },
    /// The room as it is now; after every change.
    Room {
        /// The room.
        room: RoomId,
        /// Its name.
        name: String,
        /// The member who orders its changes.
        host: Identifier,
        /// All members, in the order of their leaves.
        members: Vec<Identifier>,
        /// The MLS epoch (RFC 9420 section 8.1).
        epoch: u64,
        /// The MLS ciphersuite's name.
        suite: String,
        /// Short code of the epoch: equal on every member's screen, or somebody lies.
        code: String,
        /// What it is about, as sent; absent if nothing is said of that.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        topic: String,
        /// Whether nobody new is let in.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        locked: bool,
        /// Which members are its owners.
        #[serde(default)]
        owners: Vec<Identifier>,
        /// Which members are its moderators.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        moderators: Vec<Identifier>,
    },
    /// Which members are reached by way of another one, since no connection to them stands; after every change of that.
    RoomVia {
        /// The room.
        room: RoomId,
        /// All of them.
        via: Vec<Via>,
    },
    /// A member has changed something of the room, as her role allows; `room` follows.
    RoomChanged {
        /// The room.
        room: RoomId,
        /// Who: a commit of hers says it, and every member has checked that she may.
        by: Identifier,
        /// What.
        #[serde(flatten)]
        change: RoomChange,
    },
    /// A text in a room, signed by its sender's device.
    RoomMessage {
        /// The room.
        room: RoomId,
        /// The number by which one refers to it: the sender's own for it, unless another text of hers has that one already.
        id: u64,
        /// The sender.
        from: Identifier,
        /// The text, as sent.
        text: String,
        /// Where it stands among the room's texts, on every member's screen.
        order: RoomOrder,
        /// The text that it answers, if this device knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<RoomTextRef>,
    },
    /// Somebody reacts to a text of a room; it replaces her last reaction to it.
    RoomReaction {
        /// The room.
        room: RoomId,
        /// Who.
        from: Identifier,
        /// To which text.
        on: RoomTextRef,
        /// The reaction, as sent; empty: there is none any more.
        emoji: String,
    },
    /// Somebody asks to show another text in place of one of hers in a room.
    RoomEdited {
        /// The room.
        room: RoomId,
        /// Who.
        from: Identifier,
        /// The number of her text.
        id: u64,
        /// The other text, as sent.
        text: String,
    },
    /// Somebody asks to delete one of her texts in a room.
    RoomDeleteRequested {
        /// The room.
        room: RoomId,
        /// Who.
        from: Identifier,
        /// The number of her text.
        id: u64,
    },
    /// Somebody is writing in a room, or no longer.
    RoomTyping {
        /// The room.
        room: RoomId,
        /// Who.
        who: Identifier,
        /// Whether.
        typing: bool,
    },
    /// How far a room text of one's own got, or something else that was sent there under a number; repeated until nobody is
    /// pending.
    RoomMessageState {
        /// The room.
        room: RoomId,
        /// The number given to it.
        id: u64,
        /// Members whose device acknowledged it.
        delivered: Vec<Identifier>,
        /// Members who do not have it, or may not have it.
        missing: Vec<Missing>,
        /// Where a text stands among the room's texts; absent while it is not sealed, and for what is no text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<RoomOrder>,
    },
    /// Somebody asked into a room declined, or could not be reached.
    RoomInvitationFailed {
        /// The room.
        room: RoomId,
        /// Who.
        who: Identifier,
        /// Why, for people.
        reason: String,
    },
    /// Which members are not reached now: no connection stands to their devices, or nothing came from them for some seconds.
    /// Told when that changes; all others are reached.
    RoomReach {
        /// The room.
        room: RoomId,
        /// Whose devices, in the order of their leaves; once for each device.
        not_reached: Vec<Identifier>,
    },
    /// The certificate that a member's device has in the room has ended or was revoked: nothing that it says in the room is
    /// shown, nothing is sent to it, and the host removes it; `room_left` follows.
    RoomLapsed {
        /// The room.
        room: RoomId,
        /// Whose device.
        who: Identifier,
        /// The rule that refuses it, for people.
        reason: String,
    },
    /// A member left or was removed; the epoch has changed and she cannot read on.
    RoomLeft {
        /// The room.
        room: RoomId,
        /// Who.
        who: Identifier,
    },
    /// One is no longer in this room, or it is no more.
    RoomClosed {
        /// The room.
        room: RoomId,
        /// Why, for people.
        reason: String,
    },
    /// Somebody offers a file or a folder. Answer with `file_accept` or `file_refuse`; the offer ends with the conversation.
    FileOffered {
        /// The transfer, for the answer.
        transfer: TransferId,
        /// Who.
        from: Identifier,
        /// Which device of theirs.
        device: Fingerprint,
        /// The room in which it was offered; absent in a one-to-one conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        /// Its name, as sent: whoever shows it must make it harmless. It is not the name under which it is kept.
        name: String,
        /// Whether it is a folder.
        folder: bool,
        /// How many files.
        files: u64,
        /// How many bytes they have together.
        bytes: u64,
        /// What kind of file, by the sender's word (RFC 6838); nothing depends on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// How a transfer stands, after every change.
    FileState {
        /// The transfer.
        transfer: TransferId,
        /// With whom.
        with: Identifier,
        /// Which way.
        direction: Direction,
        /// Its name, as sent; of one's own, as far as it is known.
        name: String,
        /// How it stands.
        state: TransferState,
        /// Who put it off or ended it; only with `paused` and `cancelled`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Where it is now; only with `done`, and `in`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// How many links, devices, pipes and sockets of a folder are not offered; only with `out`, and absent if all is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u64>,
    },
    /// How what one offers to all in a large room stands; each who takes it has a transfer of her own.
    RoomFileState {
        /// The room.
        room: RoomId,
        /// The offer; `file_cancel` withdraws it.
        transfer: TransferId,
        /// Under which id `room_message_state` tells on which devices the offer is; absent if it was never told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Its name.
        name: String,
        /// `offered`, `cancelled`, `failed` or `stopped`.
        state: TransferState,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// As in `file_state`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u64>,
    },
    /// How far a transfer that runs has come; at most twice a second.
    FileProgress {
        /// The transfer.
        transfer: TransferId,
        /// With whom.
        with: Identifier,
        /// Which way.
        direction: Direction,
        /// Bytes that are there.
        done: u64,
        /// Bytes altogether.
        bytes: u64,
        /// Bytes per second, over the last seconds.
        rate: u64,
        /// Seconds left at that rate; absent where that cannot be said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_s: Option<u64>,
    },
    /// A log or a trust policy shows this device something else than somebody else. What it says
    /// must not be believed until that is explained.
    Contradiction {
        /// The log's origin, or the policy's name.
        about: String,
        /// What is wrong, for people.
        message: String,
        /// The file that proves it to others, where it can be proven.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
        /// What to do.
        remedy: String,
    },
    /// This device's own certificate was renewed, or is in trouble.
    Certificate {
        /// What is with it.
        state: CertificateState,
        /// When it ends (seconds since 1970).
        not_after: u64,
        /// What happened, for people; not with `renewed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What to do; not with `renewed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// What a look into the logs found in one's own name. Nothing is told as long as all is known.
    Watch {
        /// How it ended.
        verdict: WatchVerdict,
        /// The authority that was asked.
        authority: String,
        /// What stands there that is not known here, for people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        found: Vec<String>,
        /// Files that prove something of it to others.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
        /// What happened, for people.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Something asked for could not be done, or something is wrong.
    Error {
        /// What it is about: a command's name, a person, a part.
        about: String,
        /// What happened: expected and found.
        message: String,
        /// What to try.
        remedy: String,
    },
}

/// Without texts: what people write never reaches a log.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

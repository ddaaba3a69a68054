//! Commands: what a client asks of the engine.

use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{Audience, CallId, OwnStatus, Role, RoomId, RoomSuite, RoomTextRef, TextRef, TransferId};

/// One request to the engine. As JSON: `{"do":"send","to":"bob@example.org","text":"hi"}`.
///
/// People are named in any spelling that [`identity::Identifier::parse`] takes; the engine canonicalises. What cannot
/// be done is answered with [`super::Event::Error`] or with the state of the message concerned, never with silence.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Watch this person's presence and take texts from her without ringing.
    AddContact {
        /// The person.
        who: String,
    },
    /// Stop watching her; her next text rings like a stranger's.
    RemoveContact {
        /// The person.
        who: String,
    },
    /// Send a text to one person, now or not at all.
    Send {
        /// The person.
        to: String,
        /// At most [`crate::MAX_TEXT_BYTES`] bytes of UTF-8.
        text: String,
        /// The message's number, unique for this recipient while the engine runs and at most 2^53 − 1; the engine draws
        /// one if absent. Sending again with the number of a message whose state is `unknown` or `not_delivered` shows
        /// it once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// The text that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<TextRef>,
    },
    /// React to a text; the reaction replaces one's last one.
    React {
        /// The person with whom it was exchanged.
        to: String,
        /// The text.
        on: TextRef,
        /// At most [`crate::MAX_EMOJI_BYTES`] without spaces; empty to take the reaction away.
        emoji: String,
        /// As in `send`: how far it got is told under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Ask the other device to show another text in place of one of one's own.
    Edit {
        /// Whom the text was for.
        to: String,
        /// The number of the text.
        of: u64,
        /// The other text, at most [`crate::MAX_TEXT_BYTES`] bytes of UTF-8.
        text: String,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Ask the other device to delete one of one's own texts.
    Delete {
        /// Whom the text was for.
        to: String,
        /// The number of the text.
        of: u64,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Make oneself noticed.
    Nudge {
        /// The person.
        to: String,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Go on with a conversation at this device: their texts come here from now on, and one's other devices are told.
    ContinueHere {
        /// The person.
        to: String,
        /// As in `send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Say that one is writing to somebody, or no longer: to be said again while it lasts, as often as one likes. It goes
    /// to whoever is connected, or nowhere.
    Typing {
        /// The person.
        to: String,
        /// Whether.
        typing: bool,
    },
    /// Say which of somebody's texts one has seen. It is told only if both want that; see `set_signals`.
    Read {
        /// The person.
        who: String,
        /// Their numbers, as in the `message` events.
        ids: Vec<u64>,
    },
    /// Say that one keeps a history of the conversation with somebody, or no longer: their device is told now, if it is
    /// connected, and at the beginning of every session. The engine itself keeps nothing.
    KeepHistory {
        /// The person.
        who: String,
        /// Whether.
        keeps: bool,
    },
    /// Say what others learn of one's doing. What is absent stays as it is.
    SetSignals {
        /// Whether they are told that one is typing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        typing: Option<bool>,
        /// Whether they are told what one has seen, if they tell it, too; in conversations that begin from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read_receipts: Option<bool>,
    },
    /// Take the call that an `incoming` event announced.
    Accept {
        /// The call.
        call: CallId,
    },
    /// Refuse it.
    Decline {
        /// The call.
        call: CallId,
    },
    /// Open a room with oneself as host and only member.
    RoomCreate {
        /// What people call it; at most [`crate::MAX_ROOM_NAME_BYTES`] bytes.
        name: String,
        /// With which cryptography.
        #[serde(default, skip_serializing_if = "RoomSuite::is_default")]
        suite: RoomSuite,
    },
    /// Ask a person who is online into a room one hosts.
    RoomInvite {
        /// The room.
        room: RoomId,
        /// The person.
        who: String,
    },
    /// Enter the room that a `room_invitation` event announced.
    RoomAccept {
        /// The room.
        room: RoomId,
    },
    /// Refuse the invitation.
    RoomDecline {
        /// The room.
        room: RoomId,
    },
    /// Send a text to every other member, now or not at all.
    RoomSend {
        /// The room.
        room: RoomId,
        /// At most [`crate::MAX_TEXT_BYTES`] bytes of UTF-8.
        text: String,
        /// The message's number, unique while the engine runs; the engine draws one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// The text that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<RoomTextRef>,
    },
    /// React to a text of a room; the reaction replaces one's last one.
    RoomReact {
        /// The room.
        room: RoomId,
        /// The text.
        on: RoomTextRef,
        /// As in `react`.
        emoji: String,
        /// As in `room_send`: how far it got is told under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Ask the other members' devices to show another text in place of one that was sent at this device.
    RoomEdit {
        /// The room.
        room: RoomId,
        /// The number of the text.
        of: u64,
        /// The other text, at most [`crate::MAX_TEXT_BYTES`] bytes of UTF-8.
        text: String,
        /// As in `room_send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Ask them to delete it.
    RoomDelete {
        /// The room.
        room: RoomId,
        /// The number of the text.
        of: u64,
        /// As in `room_send`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// Say that one is writing in a room, or no longer: as `typing`, to every other member who is connected.
    RoomTyping {
        /// The room.
        room: RoomId,
        /// Whether.
        typing: bool,
    },
    /// Leave a room; if one hosts it, another member does from then on.
    RoomLeave {
        /// The room.
        room: RoomId,
    },
    /// Call a room otherwise; for its owners.
    RoomName {
        /// The room.
        room: RoomId,
        /// As in `room_create`.
        name: String,
    },
    /// Say what a room is about; for owners and moderators.
    RoomTopic {
        /// The room.
        room: RoomId,
        /// At most [`crate::MAX_ROOM_TOPIC_BYTES`] bytes of UTF-8; empty to say nothing.
        topic: String,
    },
    /// Let nobody new into a room, or open it again; for owners and moderators.
    RoomLock {
        /// The room.
        room: RoomId,
        /// Whether it is to be locked.
        locked: bool,
    },
    /// Give a member a role; for owners.
    RoomRole {
        /// The room.
        room: RoomId,
        /// The member.
        who: String,
        /// What she is to be from now on.
        role: Role,
    },
    /// Remove a member, who does not come back by herself; for moderators, of members alone, and for owners.
    RoomRemove {
        /// The room.
        room: RoomId,
        /// The member.
        who: String,
    },
    /// Offer a file or a folder to one person: `file_state` tells under which number, and what becomes of it.
    FileOffer {
        /// The person.
        to: String,
        /// Where it is: a regular file, or a folder whose regular files are meant.
        path: String,
        /// Its number, unique while the engine runs; the engine draws one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transfer: Option<TransferId>,
        /// The one device of theirs that it is for, as a `peer` event named it: to that one, or to none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<Fingerprint>,
        /// What kind of file it is said to be (RFC 6838), if not what its name says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// Offer a file or a folder to every other member of a room to whom a connection stands: to each under a number of its own.
    RoomFileOffer {
        /// The room.
        room: RoomId,
        /// As in `file_offer`.
        path: String,
    },
    /// Take what a `file_offered` event announced.
    FileAccept {
        /// The transfer.
        transfer: TransferId,
        /// The folder into which it is put, which has to be there.
        into: String,
    },
    /// Refuse it.
    FileRefuse {
        /// The transfer.
        transfer: TransferId,
        /// Why, for the other side's person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Let a transfer rest until it is continued; either side may.
    FilePause {
        /// The transfer.
        transfer: TransferId,
    },
    /// Let it go on.
    FileContinue {
        /// The transfer.
        transfer: TransferId,
    },
    /// End it; either side may. What has come of it is deleted.
    FileCancel {
        /// The transfer.
        transfer: TransferId,
    },
    /// Ask for somebody's certificate for mail, at the device with which there is a conversation, or one that is called; a
    /// `mail_certificate` or a `no_mail_certificate` follows.
    MailCertificate {
        /// The person.
        who: String,
    },
    /// Call one's own other devices: at the one that accepts, a conversation with oneself begins.
    ReachDevices,
    /// Appear so from now on.
    SetStatus {
        /// How.
        status: OwnStatus,
        /// A few words beside it, at most [`crate::MAX_NOTE_BYTES`] bytes in one line; empty for none, absent to leave
        /// them as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Say for how long nobody has used this device; 0 when somebody does again. It is for the client to notice.
    SetIdle {
        /// Seconds.
        seconds: u32,
    },
    /// Say who may see one, and who may knock. What is absent stays as it is.
    SetAudience {
        /// Who learns that one is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visible_to: Option<Audience>,
        /// Whose calls reach one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        may_knock: Option<Audience>,
    },
    /// Be never there for this person, and let no call of hers through. A conversation with her ends.
    Block {
        /// The person.
        who: String,
    },
    /// The contrary.
    Unblock {
        /// The person.
        who: String,
    },
    /// Let this contact's calls ring from now on, also for text and for rooms one does not share, or no more.
    AskFirst {
        /// The person.
        who: String,
        /// Whether to be asked.
        ask: bool,
    },
    /// The network has changed: look whether the directory and those one talks to are still reached. It is noticed without
    /// this as well, within a second or two.
    NetworkChanged,
    /// Close every session and the connection to the directory; keep the program running.
    GoOffline,
    /// Connect to the directory again.
    GoOnline,
    /// Leave all rooms, close every connection and end.
    Quit,
}

/// Without texts: what people write never reaches a log.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Command {
    /// The command's name, as in the JSON member `do`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddContact { .. } => "add_contact",
            Self::RemoveContact { .. } => "remove_contact",
            Self::Send { .. } => "send",
            Self::React { .. } => "react",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::Nudge { .. } => "nudge",
            Self::ContinueHere { .. } => "continue_here",
            Self::Typing { .. } => "typing",
            Self::Read { .. } => "read",
            Self::KeepHistory { .. } => "keep_history",
            Self::SetSignals { .. } => "set_signals",
            Self::Accept { .. } => "accept",
            Self::Decline { .. } => "decline",
            Self::RoomCreate { .. } => "room_create",
            Self::RoomInvite { .. } => "room_invite",
            Self::RoomAccept { .. } => "room_accept",
            Self::RoomDecline { .. } => "room_decline",
            Self::RoomSend { .. } => "room_send",
            Self::RoomReact { .. } => "room_react",
            Self::RoomEdit { .. } => "room_edit",
            Self::RoomDelete { .. } => "room_delete",
            Self::RoomTyping { .. } => "room_typing",
            Self::RoomLeave { .. } => "room_leave",
            Self::RoomName { .. } => "room_name",
            Self::RoomTopic { .. } => "room_topic",
            Self::RoomLock { .. } => "room_lock",
            Self::RoomRole { .. } => "room_role",
            Self::RoomRemove { .. } => "room_remove",
            Self::FileOffer { .. } => "file_offer",
            Self::RoomFileOffer { .. } => "room_file_offer",
            Self::FileAccept { .. } => "file_accept",
            Self::FileRefuse { .. } => "file_refuse",
            Self::FilePause { .. } => "file_pause",
            Self::FileContinue { .. } => "file_continue",
            Self::FileCancel { .. } => "file_cancel",
            Self::MailCertificate { .. } => "mail_certificate",
            Self::ReachDevices => "reach_devices",
            Self::SetStatus { .. } => "set_status",
            Self::SetIdle { .. } => "set_idle",
            Self::SetAudience { .. } => "set_audience",
            Self::Block { .. } => "block",
            Self::Unblock { .. } => "unblock",
            Self::AskFirst { .. } => "ask_first",
            Self::NetworkChanged => "network_changed",
            Self::GoOffline => "go_offline",
            Self::GoOnline => "go_online",
            Self::Quit => "quit",
        }
    }
}

//! What events are called.

use super::Event;

impl Event {
    /// The event's name, as in the JSON member `event`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Online { .. } => "online",
            Self::Offline { .. } => "offline",
            Self::Presence { .. } => "presence",
            Self::Appearance(_) => "appearance",
            Self::Incoming { .. } => "incoming",
            Self::IncomingEnded { .. } => "incoming_ended",
            Self::FirstSeen { .. } => "first_seen",
            Self::Peer(_) => "peer",
            Self::MailCertificate(_) => "mail_certificate",
            Self::NoMailCertificate { .. } => "no_mail_certificate",
            Self::Message { .. } => "message",
            Self::Reaction { .. } => "reaction",
            Self::Edited { .. } => "edited",
            Self::DeleteRequested { .. } => "delete_requested",
            Self::Nudge { .. } => "nudge",
            Self::Continued { .. } => "continued",
            Self::ContinuedElsewhere { .. } => "continued_elsewhere",
            Self::Typing { .. } => "typing",
            Self::History { .. } => "history",
            Self::Read { .. } => "read",
            Self::MessageState { .. } => "message_state",
            Self::Ringing { .. } => "ringing",
            Self::Unanswered { .. } => "unanswered",
            Self::Unreachable { .. } => "unreachable",
            Self::Session { .. } => "session",
            Self::RoomInvitation { .. } => "room_invitation",
            Self::Room { .. } => "room",
            Self::RoomVia { .. } => "room_via",
            Self::RoomChanged { .. } => "room_changed",
            Self::RoomMessage { .. } => "room_message",
            Self::RoomReaction { .. } => "room_reaction",
            Self::RoomEdited { .. } => "room_edited",
            Self::RoomDeleteRequested { .. } => "room_delete_requested",
            Self::RoomTyping { .. } => "room_typing",
            Self::RoomMessageState { .. } => "room_message_state",
            Self::RoomInvitationFailed { .. } => "room_invitation_failed",
            Self::RoomReach { .. } => "room_reach",
            Self::RoomLapsed { .. } => "room_lapsed",
            Self::RoomLeft { .. } => "room_left",
            Self::RoomClosed { .. } => "room_closed",
            Self::FileOffered { .. } => "file_offered",
            Self::FileState { .. } => "file_state",
            Self::RoomFileState { .. } => "room_file_state",
            Self::FileProgress { .. } => "file_progress",
            Self::Contradiction { .. } => "contradiction",
            Self::Certificate { .. } => "certificate",
            Self::Watch { .. } => "watch",
            Self::Error { .. } => "error",
        }
    }
}

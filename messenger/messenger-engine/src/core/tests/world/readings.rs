//! What is read of events.

use crate::api::Event;

/// The last state told of a text.
pub(in crate::core::tests) fn last_state(events: &[Event]) -> Option<(crate::api::DeliveryState, Option<String>)> {
    events.iter().rev().find_map(|event| match event {
        Event::MessageState { state, reason, .. } => Some((*state, reason.clone())),
        _ => None,
    })
}

/// All one-to-one texts among events.
pub(in crate::core::tests) fn texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| if let Event::Message { text, .. } = event { Some(text.clone()) } else { None })
        .collect()
}

/// All room texts among events.
pub(in crate::core::tests) fn room_texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| if let Event::RoomMessage { text, .. } = event { Some(text.clone()) } else { None })
        .collect()
}

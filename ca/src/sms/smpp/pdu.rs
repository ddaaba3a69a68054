//! What is put into SMPP's messages, and read out of a receipt.

use std::str::FromStr as _;

use rusmpp::pdus::{BindTransceiver, DeliverSm, SubmitSm};
use rusmpp::tlvs::TlvValue;
use rusmpp::types::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{
    DataCoding, InterfaceVersion, IntermediateNotification, MCDeliveryReceipt, MessageState, MessageType, Npi,
    RegisteredDelivery, SmeOriginatedAcknowledgement, Ton,
};

use super::Settings;
use crate::sms::Text;
use crate::sms::receipts::Fate;

/// Ten minutes, relative (SMPP 3.4 section 7.1.1): as long as the code lives. A message that comes later is of no use.
const VALIDITY: &str = "000000001000000R";

/// Who messages are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    ton: Ton,
    npi: Npi,
    address: String,
}

impl Sender {
    /// An international number, a short code, or a name.
    pub(super) fn of(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let (ton, npi, address, longest) = match (number, text.starts_with('+')) {
            (true, true) => (Ton::International, Npi::Isdn, digits, 15),
            (true, false) => (Ton::Unknown, Npi::Isdn, digits, 15),
            (false, _) => (Ton::Alphanumeric, Npi::Unknown, text, 11),
        };
        let fits = (1..=longest).contains(&address.len());
        fits.then(|| Self { ton, npi, address: address.to_owned() })
    }
}

/// The request to open a session in both directions. None only if the settings were not looked at.
pub(super) fn bind(settings: &Settings) -> Option<BindTransceiver> {
    Some(
        BindTransceiver::builder()
            .system_id(COctetString::from_str(&settings.system_id).ok()?)
            .password(COctetString::from_str(&settings.password).ok()?)
            .system_type(COctetString::from_str(&settings.system_type).ok()?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build(),
    )
}

/// A message, with a receipt asked for.
pub(super) fn submit(settings: &Settings, text: &Text) -> Option<SubmitSm> {
    let receipt = RegisteredDelivery::new(
        MCDeliveryReceipt::McDeliveryReceiptRequestedWhereFinalDeliveryOutcomeIsSuccessOrFailure,
        SmeOriginatedAcknowledgement::NoReceiptSmeAcknowledgementRequested,
        IntermediateNotification::NoIntermediaryNotificationRequested,
        0,
    );
    let sender = &settings.sender;
    Some(
        SubmitSm::builder()
            .source_addr_ton(sender.ton)
            .source_addr_npi(sender.npi)
            .source_addr(COctetString::from_str(&sender.address).ok()?)
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(COctetString::from_str(text.to.as_str().trim_start_matches('+')).ok()?)
            .validity_period(EmptyOrFullCOctetString::from_str(VALIDITY).ok()?)
            .registered_delivery(receipt)
            // Not 0: that is "the SMSC's default alphabet", in which an @ is mostly another octet than in ASCII.
            .data_coding(DataCoding::Ia5)
            .short_message(OctetString::from_str(&text.body).ok()?)
            .build(),
    )
}

/// Which message a receipt is about, and what became of it. None if it is no receipt, or says that it is still under way.
pub(super) fn receipt(message: &DeliverSm) -> Option<(String, Fate)> {
    if message.esm_class.message_type != MessageType::ShortMessageContainsMCDeliveryReceipt {
        return None;
    }
    let tlv =
        |pick: fn(&TlvValue) -> Option<String>| message.tlvs().iter().filter_map(|tlv| tlv.value()).find_map(pick);
    let id = tlv(|value| match value {
        TlvValue::ReceiptedMessageId(id) => Some(id.as_str().to_owned()),
        _ => None,
    });
    let state = tlv(|value| match value {
        TlvValue::MessageState(MessageState::Delivered) => Some("DELIVRD".into()),
        TlvValue::MessageState(
            MessageState::Expired | MessageState::Deleted | MessageState::Undeliverable | MessageState::Rejected,
        ) => Some("UNDELIV".into()),
        _ => None,
    });
    // SMPP 3.4 appendix B: id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…
    let text = String::from_utf8_lossy(message.short_message().as_ref()).into_owned();
    let fate = match state.or_else(|| member(&text, "stat:"))?.as_str() {
        "DELIVRD" => Fate::Delivered,
        "EXPIRED" | "DELETED" | "UNDELIV" | "REJECTD" => Fate::Failed,
        _ => return None,
    };
    Some((id.or_else(|| member(&text, "id:"))?, fate))
}

/// The word after `name`.
fn member(text: &str, name: &str) -> Option<String> {
    text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned)
}

/// The spellings in which an SMSC may name a message later: as it did, and, for not all agree with themselves, a number in
/// decimal where it was hexadecimal, or the other way round.
pub(super) fn spellings(id: &str) -> Vec<String> {
    let decimal = id.parse::<u64>().ok().map(|number| format!("{number:x}"));
    let hexadecimal = u64::from_str_radix(id, 16).ok().map(|number| number.to_string());
    std::iter::once(id.to_owned()).chain(decimal).chain(hexadecimal).collect()
}

#[cfg(test)]
mod tests {
    use rusmpp::values::EsmClass;

    use super::*;

    fn delivered(text: &str, receipt: bool) -> DeliverSm {
        let mut esm_class = EsmClass::default();
        if receipt {
            esm_class.message_type = MessageType::ShortMessageContainsMCDeliveryReceipt;
        }
        DeliverSm::builder().esm_class(esm_class).short_message(OctetString::from_str(text).unwrap()).build()
    }

    #[test]
    fn a_receipt_says_what_became_of_which_message() {
        let text = "id:0a1B sub:001 dlvrd:001 submit date:2611260215 done date:2611260216 stat:DELIVRD err:000 text:";
        assert_eq!(receipt(&delivered(text, true)), Some(("0a1B".into(), Fate::Delivered)));
        let late = text.replace("DELIVRD", "EXPIRED");
        assert_eq!(receipt(&delivered(&late, true)), Some(("0a1B".into(), Fate::Failed)));
        assert_eq!(receipt(&delivered(&text.replace("DELIVRD", "ENROUTE"), true)), None);
        // What a person writes back is none, whatever it says.
        assert_eq!(receipt(&delivered(text, false)), None);
        assert_eq!(receipt(&delivered("stat:DELIVRD", true)), None);
    }

    #[test]
    fn a_sender_is_a_number_a_short_code_or_a_name() {
        let of = |text| Sender::of(text).map(|sender| (sender.ton, sender.address));
        assert_eq!(of("+4930123"), Some((Ton::International, "4930123".into())));
        assert_eq!(of("12345"), Some((Ton::Unknown, "12345".into())));
        assert_eq!(of("In Person"), Some((Ton::Alphanumeric, "In Person".into())));
        assert_eq!((of(""), of("twelve chars"), of("+")), (None, None, Some((Ton::Alphanumeric, "+".into()))));
    }

    #[test]
    fn a_number_is_known_in_both_spellings() {
        assert_eq!(spellings("255"), ["255", "ff", "597"]);
        assert_eq!(spellings("ff"), ["ff", "255"]);
        assert_eq!(spellings("a-b"), ["a-b"]);
    }
}

//! DATE-01 to DATE-04: which signatures are dated, and which are not.

use ed25519_dalek::SigningKey;
use serde_json::json;
use tlog_proof::NoteSigner;

use super::make::{DateCase, device, mail};
use super::vector::DateVector;
use crate::case::Case;
use crate::der::{self, seq};
use crate::house::{DAY, NOON, seed};

/// Life of a certificate for mail, and of one of a device: in seconds.
const MAIL_LIFE: u64 = 90 * DAY;
const DEVICE_LIFE: u64 = 14 * DAY;

/// Every vector, freshly made.
pub(super) fn all() -> Vec<DateVector> {
    let cases = [good(), form(), other_entries(), unseen(), windows(), lives(), revoked(), lists()];
    cases.into_iter().flatten().map(DateCase::make).collect()
}

fn good() -> Vec<DateCase> {
    vec![
        mail("good-mail", "By a mail program, dated an hour after its certificate begins."),
        device("good-device", "By a device."),
        mail("good-first-second", "Dated in the first second of the certificate.").at(0),
        mail("good-last-second", "Dated in the last second of the certificate.").at(MAIL_LIFE - 1),
        device("good-last-second-of-a-device", "Dated in the last second of the certificate.").at(DEVICE_LIFE - 1),
        mail("good-only-entry", "The only entry of the log: an empty path.")
            .logged(|dating| (dating.index, dating.size) = (0, 1)),
        mail("good-the-later-of-two", "Two witnesses: the date is the time of the later one.")
            .certificate(|certificate| {
                certificate.policy(|house, policy| {
                    policy["tlog_policy"] = house.log_policy(2, "group both all w1 w2\nquorum both\n").into();
                })
            })
            .certificate(|certificate| certificate.logged(|logging| logging.cosigned.push((1, NOON))))
            .logged(|dating| dating.cosigned = vec![(0, NOON + 60), (1, NOON + 30)]),
        mail("good-short-signature", "A signature of one byte: its form is not asked.")
            .logged(|dating| dating.signature = vec![7]),
    ]
}

fn form() -> Vec<DateCase> {
    let extra = |name, description, extra: fn(&mut Option<Vec<u8>>)| {
        mail(name, description).shown(move |shown| extra(&mut shown.extra))
    };
    let text = |name, description, from: &'static str, to: &'static str| {
        mail(name, description).text(move |text| {
            assert!(text.contains(from));
            *text = text.replacen(from, to, 1);
        })
    };
    vec![
        extra("date-01-without-extra", "No extra data.", |extra| *extra = None),
        extra("date-01-opening-too-short", "A byte of the opening is missing.", |extra| {
            extra.as_mut().unwrap().truncate(64);
        }),
        extra("date-01-byte-too-many", "A byte after the opening.", |extra| extra.as_mut().unwrap().push(0)),
        extra("date-01-version-2", "Another version.", |extra| extra.as_mut().unwrap()[0] = 2),
        text("date-01-no-header", "Another first line.", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        text("date-01-no-index", "No line with an index.", "index 5\n", ""),
        text("date-01-index-with-zero", "The index with a zero before it.", "index 5", "index 05"),
        mail("date-01-no-proof", "Text in place of a proof.").text(|text| *text = "hello\n".to_owned()),
    ]
}

/// Entries that are not this signature's, or stand elsewhere.
fn other_entries() -> Vec<DateCase> {
    vec![
        mail("date-02-another-signature", "The entry is another signature's.").shown(|shown| shown.signature[0] ^= 1),
        mail("date-02-another-label", "One bit of the label.").shown(|shown| shown.extra.as_mut().unwrap()[1] ^= 1),
        mail("date-02-another-opening", "One bit of the opening.")
            .shown(|shown| shown.extra.as_mut().unwrap()[64] ^= 1),
        mail("date-02-another-kind", "The entry is that of a certificate.").logged(|dating| dating.kind = 0x01),
        mail("date-02-another-index", "A place that the path does not lead from.").shown(|shown| shown.proof.index = 4),
        mail("date-02-index-at-size", "A place behind the last.").shown(|shown| shown.proof.index = 7),
        mail("date-02-path-too-short", "A hash of the path is missing.").shown(|shown| shown.proof.path.truncate(2)),
        mail("date-02-path-too-long", "A hash too many.")
            .shown(|shown| shown.proof.path.push(tlog_proof::empty_root())),
        mail("date-02-another-log", "A log that the policy does not know.").logged(|dating| {
            let key = SigningKey::from_bytes(&seed("another log"));
            dating.log = Some(NoteSigner::new("log.example.net/2026", key).unwrap());
        }),
        mail("date-02-another-key", "A checkpoint in the name of the log, by another key.").logged(|dating| {
            let key = SigningKey::from_bytes(&seed("another log"));
            dating.log = Some(NoteSigner::new(crate::house::ORIGIN, key).unwrap());
        }),
    ]
}

/// Too few witnesses.
fn unseen() -> Vec<DateCase> {
    vec![
        mail("date-02-nobody-saw-it", "No cosignature.").shown(|shown| {
            let (checkpoint, _) = shown.proof.checkpoint.split_once("\n— witness").unwrap();
            shown.proof.checkpoint = format!("{checkpoint}\n");
        }),
        mail("date-02-another-witness", "By a witness that the policy does not know.")
            .logged(|dating| dating.cosigned = vec![(1, NOON)]),
        mail("date-02-no-time", "A cosignature of the time zero.").logged(|dating| dating.cosigned = vec![(0, 0)]),
        mail("date-02-no-time-beside-enough", "One that says no time, beside one that is enough.")
            .certificate(two_known)
            .logged(|dating| dating.cosigned.push((1, 0))),
        mail("date-02-one-wrong-beside-enough", "A known witness's cosignature does not verify.")
            .certificate(two_known)
            .logged(|dating| dating.cosigned.push((1, NOON)))
            .shown(|shown| {
                let last = shown.proof.checkpoint.len() - 4;
                let other = if shown.proof.checkpoint.as_bytes()[last - 8] == b'A' { "B" } else { "A" };
                shown.proof.checkpoint.replace_range(last - 8..last - 7, other);
            }),
    ]
}

/// A second witness is known, and not needed.
fn two_known(certificate: Case) -> Case {
    certificate.policy(|house, policy| policy["tlog_policy"] = house.log_policy(2, "quorum w1\n").into())
}

fn windows() -> Vec<DateCase> {
    // The certificate is judged at the date, too: its own cosignature is from noon.
    let window = |name, description, bound: &'static str, seconds: u64| {
        mail(name, description).certificate(move |certificate| {
            certificate.policy(move |house, policy| {
                policy["windows"] = json!([{ "key": house.witnesses[0].vkey().to_string(), bound: NOON + seconds }]);
            })
        })
    };
    let log = |name, description, seconds: u64| {
        mail(name, description).certificate(move |certificate| {
            certificate.policy(move |house, policy| {
                policy["windows"] = json!([{ "key": house.log.vkey().to_string(), "not_after": NOON + seconds }]);
            })
        })
    };
    vec![
        window("good-witness-retired-since", "The witness retired in the second of the date.", "not_after", 3600),
        log("good-log-closed-since", "The log was closed in the second of the date.", 3600),
        window("date-02-witness-retired", "The witness had retired a second before.", "not_after", 3599),
        window("date-02-witness-not-yet", "The witness was to begin a second later.", "not_before", 3601),
        log("date-02-log-closed", "The log had been closed a second before.", 3599),
    ]
}

fn lives() -> Vec<DateCase> {
    vec![
        mail("date-03-before-the-beginning", "Dated a second before the certificate begins.")
            .logged(|dating| dating.cosigned = vec![(0, NOON - 1)]),
        mail("date-03-after-the-end", "Dated a second after the certificate's end.").at(MAIL_LIFE),
        device("date-03-after-the-end-of-a-device", "Dated a second after the certificate's end.").at(DEVICE_LIFE),
        mail("date-03-years-later", "Dated ten years later.").at(3650 * DAY),
    ]
}

/// Revoked two days after noon, as a list of the third day says.
fn revoked_on_the_second_day(certificate: Case) -> Case {
    let list = |house: &crate::house::House, serial: &[u8]| {
        let entry = seq([serial.to_vec(), der::time(NOON + 2 * DAY)]);
        house.people.list(1, NOON + 3 * DAY, &[], move |list| list.revoked = vec![entry])
    };
    certificate.list(list).after(3 * DAY)
}

fn revoked() -> Vec<DateCase> {
    let case = |name, description, seconds| mail(name, description).certificate(revoked_on_the_second_day).at(seconds);
    vec![
        case("good-revoked-later", "Revoked a second after the date.", 2 * DAY - 1).revoked_at(NOON + 2 * DAY),
        case("date-04-revoked-in-that-second", "Revoked in the second of the date.", 2 * DAY),
        case("date-04-revoked-before", "Revoked two days before the date.", 4 * DAY),
        case("date-03-revoked-and-after-the-end", "Revoked, and dated after the end.", MAIL_LIFE),
    ]
}

/// What a list without the certificate says depends on when it was made.
fn lists() -> Vec<DateCase> {
    let list = |name, description, made: u64| {
        mail(name, description).certificate(move |certificate| {
            certificate.list(move |house, _| house.people.list(1, NOON + made, &[], |_| ())).after(made)
        })
    };
    vec![
        list("good-list-after-the-date", "A list of the day after.", DAY).not_revoked(),
        list("good-list-of-seven-days-before", "The oldest list that still counts.", 0).at(7 * DAY).not_revoked(),
        list("rev-02-list-too-old", "The list is older at the date than seven days by a second.", 0).at(7 * DAY + 1),
        list("good-list-in-the-last-second", "Made in the last second of the certificate.", MAIL_LIFE - 1)
            .not_revoked(),
        list("good-list-after-the-end", "Made after the certificate's end: it may have dropped it.", MAIL_LIFE),
    ]
}

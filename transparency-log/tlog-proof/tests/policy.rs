//! Policies: the specification's example, quorums, and texts named by their fault.
#![allow(clippy::unwrap_used, missing_docs)]

use ed25519_dalek::SigningKey;
use tlog_proof::{
    Checkpoint, Cosigner, LogPolicy, NoteSigner, PolicyError, PolicyTextReason, UnverifiedCheckpoint, VerifierKey,
    empty_root, sign_checkpoint,
};

fn log() -> NoteSigner {
    NoteSigner::new("log.example/2026", SigningKey::from_bytes(&[1; 32])).unwrap()
}

fn witness(name: &str) -> Cosigner {
    let mut seed = [7; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    Cosigner::new(&format!("{name}.example"), SigningKey::from_bytes(&seed)).unwrap()
}

/// The example of C2SP tlog-policy, with keys.
fn example() -> String {
    let lines = ["X1", "X2", "X3"].map(|name| format!("witness {name} {}\n", witness(name).vkey())).concat();
    let more = ["Y1", "Y2", "Y3"].map(|name| format!("witness {name} {}\n", witness(name).vkey())).concat();
    format!(
        "log {}\n\n{lines}group X-witnesses 2 X1 X2 X3\n\n{more}group Y-witnesses any Y1 Y2 Y3\n\n\
         group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log().vkey()
    )
}

fn met(policy: &LogPolicy, names: &[&str]) -> bool {
    let keys: Vec<VerifierKey> = names.iter().map(|name| witness(name).vkey()).collect();
    policy.quorum_met(&keys.iter().collect::<Vec<_>>())
}

#[test]
fn example_of_the_specification() {
    let policy = LogPolicy::parse(&example()).unwrap();
    assert!(met(&policy, &["X1", "X3", "Y2"]));
    assert!(met(&policy, &["X1", "X2", "X3", "Y1", "Y2", "Y3"]));
    assert!(!met(&policy, &["X1", "Y1", "Y2", "Y3"]), "one X is too few");
    assert!(!met(&policy, &["X1", "X2", "X3"]), "no Y");
    assert!(!met(&policy, &["X1", "X1", "Y1"]), "twice the same is once");
    assert!(!met(&policy, &[]));
    assert_eq!(policy.witness_key("Y2"), Some(&witness("Y2").vkey()));
    assert_eq!(LogPolicy::parse(&policy.to_string()).unwrap(), policy);
    assert!(policy.to_string().ends_with("group X-and-Y 2 X-witnesses Y-witnesses\nquorum X-and-Y\n"));
}

#[test]
fn whitespace_comments_and_addresses() {
    let text = format!(
        "  # a comment\n\t\nlog\t{}   https://log.example/ \n witness w {} https://witness.example\nquorum  w\n",
        log().vkey(),
        witness("w").vkey()
    );
    let policy = LogPolicy::parse(&text).unwrap();
    assert_eq!(policy.logs[0].url.as_deref(), Some("https://log.example/"));
    assert_eq!(policy.witnesses[0].url.as_deref(), Some("https://witness.example"));
}

#[test]
fn policy_faults() {
    let good = example();
    let x1 = witness("X1").vkey().to_string();
    let faults: [(&str, String); 17] = [
        ("no_quorum", good.replace("quorum X-and-Y\n", "")),
        ("two_quorums", format!("{good}quorum none\n")),
        ("unknown_quorum", good.replace("quorum X-and-Y", "quorum Z")),
        ("unknown_member", good.replace("2 X1 X2 X3", "2 X1 X2 X4")),
        ("member_before_definition", good.replace("2 X1 X2 X3", "2 X1 X2 Y1")),
        ("member_twice", good.replace("any Y1 Y2 Y3", "any Y1 Y2 X3")),
        ("none_as_member", good.replace("any Y1 Y2 Y3", "any Y1 Y2 none")),
        ("none_as_name", good.replace("witness Y3", "witness none").replace("Y1 Y2 Y3", "Y1 Y2")),
        ("name_twice", good.replace("witness Y3", "witness Y2")),
        ("key_twice", good.replace(&witness("Y1").vkey().to_string(), &x1)),
        ("log_twice", format!("{good}log {}\n", log().vkey())),
        ("log_key_as_witness", good.replace(&x1, &log().vkey().to_string())),
        ("witness_key_as_log", format!("{good}log {}\n", witness("Z").vkey())),
        ("threshold_zero", good.replace("2 X1", "0 X1")),
        ("threshold_too_high", good.replace("2 X1", "4 X1")),
        ("control_character", good.replace("quorum", "quorum\r")),
        ("unknown_line", format!("{good}mirror M1\n")),
    ];
    for (fault, text) in faults {
        assert!(LogPolicy::parse(&text).is_err(), "{fault}");
    }
    let error = LogPolicy::parse("quorum none\ngroup g any\n").unwrap_err();
    assert_eq!((error.line, matches!(error.reason, PolicyTextReason::Syntax { .. })), (2, true));
    assert!(LogPolicy::parse(&"#\n".repeat(40_000)).is_err(), "too large");
}

#[test]
fn quorum_of_a_checkpoint() {
    let policy = LogPolicy::parse(&example()).unwrap();
    let checkpoint = Checkpoint { origin: "log.example/2026".into(), size: 0, root: empty_root() };
    let body = checkpoint.to_body();
    let signed = sign_checkpoint(&checkpoint, &log());
    let cosigned = |names: &[&str]| {
        let lines: String = names.iter().map(|name| witness(name).cosign(&body, 77)).collect();
        UnverifiedCheckpoint::parse(format!("{signed}{lines}")).unwrap()
    };
    let verdict = policy.check(&cosigned(&["Y1", "stranger", "X2", "X1"])).unwrap();
    let names: Vec<&str> = verdict.cosigned.iter().map(|by| by.name.as_str()).collect();
    assert_eq!(names, ["X1.example", "X2.example", "Y1.example"], "in the policy's order");
    let missed = policy.check(&cosigned(&["Y1", "X2"])).unwrap_err();
    let (expected, found) = ("X-and-Y".to_owned(), "X2.example, Y1.example".to_owned());
    assert_eq!(missed, PolicyError::Quorum { expected, found });
    let none = LogPolicy::parse(&format!("log {}\nquorum none", log().vkey())).unwrap();
    none.check(&cosigned(&[])).unwrap();

    let other = NoteSigner::new("other.example", SigningKey::from_bytes(&[9; 32])).unwrap();
    let foreign = Checkpoint { origin: "other.example".into(), ..checkpoint };
    let foreign = UnverifiedCheckpoint::parse(sign_checkpoint(&foreign, &other)).unwrap();
    assert!(matches!(none.check(&foreign), Err(PolicyError::UnknownLog { .. })));
}

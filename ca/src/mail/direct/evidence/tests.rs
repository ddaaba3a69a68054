use hickory_resolver::proto::dnssec::rdata::{DS, SigInput};
use hickory_resolver::proto::dnssec::{Algorithm, DigestType, Nsec3HashAlgorithm, Proof};
use hickory_resolver::proto::rr::SerialNumber;
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, NS, SOA};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

fn record(owner: &str, data: RData, proof: Proof) -> Record {
    let mut record = Record::from_rdata(name(owner), 60, data);
    record.proof = proof;
    record
}

fn mx(owner: &str, host: &str, proof: Proof) -> Record {
    record(owner, RData::MX(MX::new(10, name(host))), proof)
}

/// The verified signature of `zone` over a set of records; `labels` as it says.
fn signature(owner: &str, kind: RecordType, zone: &str, labels: u8) -> Record {
    let input = SigInput {
        type_covered: kind,
        algorithm: Algorithm::ECDSAP256SHA256,
        num_labels: labels,
        original_ttl: 60,
        sig_expiration: SerialNumber::new(2),
        sig_inception: SerialNumber::new(1),
        key_tag: 1,
        signer_name: name(zone),
    };
    record(owner, RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, Vec::new()))), Proof::Secure)
}

fn signed(of: Record, zone: &str) -> [Record; 2] {
    let (owner, labels) = (of.name.to_ascii(), of.name.num_labels());
    let signature = signature(&owner, of.record_type(), zone, labels);
    [of, signature]
}

fn nsec(owner: &str, next: &str, kinds: &[RecordType], zone: &str) -> [Record; 2] {
    let nsec = NSEC::new(name(next), kinds.iter().copied());
    signed(record(owner, RData::DNSSEC(DNSSECRData::NSEC(nsec)), Proof::Secure), zone)
}

fn hash(of: &str) -> Vec<u8> {
    Nsec3HashAlgorithm::SHA1.hash(b"salt", &name(of), 1).unwrap().as_ref().to_vec()
}

/// From one hash to another, in a zone.
fn nsec3(from: &[u8], to: Vec<u8>, opt_out: bool, kinds: &[RecordType], zone: &str) -> [Record; 2] {
    let nsec3 = NSEC3::new(Nsec3HashAlgorithm::SHA1, opt_out, 1, b"salt".to_vec(), to, kinds.iter().copied());
    let owner = format!("{}.{zone}", data_encoding::BASE32_DNSSEC.encode(from));
    signed(record(&owner, RData::DNSSEC(DNSSECRData::NSEC3(nsec3)), Proof::Secure), zone)
}

/// One that covers this name and no other.
fn around(of: &str, opt_out: bool, zone: &str) -> [Record; 2] {
    let (mut before, mut after) = (hash(of), hash(of));
    *before.last_mut().unwrap() -= u8::from(before[19] > 0);
    *after.last_mut().unwrap() += u8::from(after[19] < 255);
    nsec3(&before, after, opt_out, &[RecordType::NS], zone)
}

fn heard(answers: impl IntoIterator<Item = Record>, authorities: impl IntoIterator<Item = Record>) -> Heard {
    let answers: Vec<_> = answers.into_iter().collect();
    Heard { denied: answers.is_empty(), answers, authorities: authorities.into_iter().collect() }
}

fn hosts(heard: &Heard, of: &str) -> (Vec<String>, bool) {
    let (said, host) = (heard.of(&name(of), RecordType::MX), |record: &&Record| match &record.data {
        RData::MX(mx) => mx.exchange.to_ascii(),
        other => panic!("{other}"),
    });
    (said.records.iter().map(host).collect(), said.proven)
}

#[test]
fn records_of_other_names_do_not_count() {
    let own = || signed(mx("victim.test", "mx.victim.test", Proof::Secure), "victim.test");
    let expected = (vec!["mx.victim.test.".to_owned()], true);
    assert_eq!(hosts(&heard(own(), []), "victim.test"), expected);
    assert_eq!(hosts(&heard(own(), []), "VICTIM.test"), expected);
    // True of another, signed domain; and from one that is not signed: neither its servers nor its lack of proof.
    let foreign = signed(mx("evil.test", "mx.evil.test", Proof::Secure), "evil.test");
    assert_eq!(hosts(&heard(foreign.into_iter().chain(own()), []), "victim.test"), expected);
    let unsigned = mx("unsigned.test", "mx.evil.test", Proof::Insecure);
    assert_eq!(hosts(&heard([unsigned].into_iter().chain(own()), []), "victim.test"), expected);
    // Another kind of record of the same name.
    let address = record("victim.test", RData::A(A::new(192, 0, 2, 1)), Proof::Insecure);
    assert_eq!(hosts(&heard([address].into_iter().chain(own()), []), "victim.test"), expected);
    // Nothing but another's is nothing, and not proven.
    let foreign = signed(mx("evil.test", "mx.evil.test", Proof::Secure), "evil.test");
    assert_eq!(hosts(&heard(foreign, []), "victim.test"), (vec![], false));
    for proof in [Proof::Insecure, Proof::Bogus, Proof::Indeterminate] {
        let one = mx("victim.test", "mx.evil.test", proof);
        assert!(!hosts(&heard(signed(one, "victim.test"), []), "victim.test").1, "{proof}");
    }
    // The same name twice, once without proof.
    let both = own().into_iter().chain([mx("victim.test", "mx.evil.test", Proof::Bogus)]);
    assert!(!hosts(&heard(both, []), "victim.test").1);
    // Without the signature nobody knows whether a wildcard made it.
    assert!(!hosts(&heard([mx("victim.test", "mx.victim.test", Proof::Secure)], []), "victim.test").1);
}

#[test]
fn an_answer_from_a_wildcard_is_denied_by_its_own_zone_in_between() {
    let wild = |more: Vec<Record>| {
        let one = mx("a.victim.test", "mx.victim.test", Proof::Secure);
        heard([one, signature("a.victim.test", RecordType::MX, "victim.test", 2)].into_iter().chain(more), [])
    };
    let with = |authorities: Vec<Record>, more: Vec<Record>| {
        let heard = Heard { authorities, ..wild(more) };
        hosts(&heard, "a.victim.test").1
    };
    let denial = || nsec("victim.test", "b.victim.test", &[], "victim.test").to_vec();
    assert!(with(denial(), vec![]));
    assert!(!with(vec![], vec![]));
    // An unsigned record keeps the library from looking; another zone's denial convinces it.
    assert!(!with(vec![record("unsigned.test", RData::NS(NS(name("ns.test"))), Proof::Insecure)], vec![]));
    assert!(!with(around("a.victim.test", false, "test").to_vec(), vec![]));
    assert!(!with(nsec("evil.test", "z.test", &[], "evil.test").to_vec(), vec![]));
    // A further signature has the library look for the wrong wildcard.
    assert!(!with(denial(), vec![signature("a.victim.test", RecordType::MX, "victim.test", 1)]));
}

#[test]
fn absence_counts_if_the_zone_of_the_name_proves_it() {
    let denied = |authorities: Vec<Record>| heard([], authorities).of(&name("victim.test"), RecordType::MX).proven;
    assert!(denied(nsec("victim.test", "a.victim.test", &[RecordType::A], "victim.test").to_vec()));
    assert!(denied(nsec3(&hash("victim.test"), vec![255; 20], false, &[RecordType::A], "victim.test").to_vec()));
    // Nothing; an unsigned record of a domain that has nothing to do with it; of the domain itself, which is signed.
    assert!(!denied(vec![]));
    for owner in ["unsigned.test", "victim.test"] {
        let soa = SOA::new(name("ns.test"), name("root.test"), 1, 2, 3, 4, 5);
        assert!(!denied(vec![record(owner, RData::SOA(soa), Proof::Insecure)]));
        assert!(!denied(vec![record(owner, RData::NS(NS(name("x.test"))), Proof::Insecure)]));
    }
    // True denials of another domain, which may reach over any name.
    assert!(!denied(nsec("evil.test", "z.test", &[], "evil.test").to_vec()));
    let both = nsec("evil.test", "z.test", &[], "evil.test").into_iter();
    assert!(!denied(both.chain(nsec("victim.test", "a.victim.test", &[], "victim.test")).collect()));
    // What the library could not verify as a denial is none.
    let authorities = nsec("victim.test", "a.victim.test", &[], "victim.test").to_vec();
    let failed = Heard { authorities, ..Heard::default() };
    assert!(!failed.of(&name("victim.test"), RecordType::MX).proven);
}

#[test]
fn signed_zones_end_where_the_zone_above_says_so() {
    let ds = |algorithm| {
        let ds = DS::new(1, algorithm, DigestType::SHA256, vec![0; 32]);
        record("victim.test", RData::DNSSEC(DNSSECRData::DS(ds)), Proof::Secure)
    };
    let cut = |heard: &Heard, of: &str| heard.cut(&name(of), &name("test"));
    let denied = |authorities: &[Record], of: &str| cut(&heard([], authorities.to_vec()), of);
    assert_eq!(cut(&heard([ds(Algorithm::ED25519)], []), "victim.test"), Cut::Signed);
    assert_eq!(cut(&heard([ds(Algorithm::Unknown(200))], []), "victim.test"), Cut::Unsigned);
    assert_eq!(cut(&heard([ds(Algorithm::Unknown(200)), ds(Algorithm::ED25519)], []), "victim.test"), Cut::Signed);
    assert_eq!(cut(&heard([ds(Algorithm::ED25519)], []), "other.test"), Cut::Unknown);
    let alias = record("www.test", RData::CNAME(CNAME(name("x.test"))), Proof::Secure);
    assert_eq!(cut(&heard([alias], []), "www.test"), Cut::Inside);
    // By name.
    let (ns, ds, soa) = (RecordType::NS, RecordType::DS, RecordType::SOA);
    assert_eq!(denied(&nsec("a.test", "b.test", &[ns], "test"), "a.test"), Cut::Unsigned);
    assert_eq!(denied(&nsec("a.test", "b.test", &[RecordType::A], "test"), "a.test"), Cut::Inside);
    assert_eq!(denied(&nsec("a.test", "b.test", &[ns, ds], "test"), "a.test"), Cut::Unknown);
    assert_eq!(denied(&nsec("a.test", "b.test", &[ns, soa], "test"), "a.test"), Cut::Unknown);
    assert_eq!(denied(&nsec("a.test", "x.c.test", &[], "test"), "c.test"), Cut::Inside);
    assert_eq!(denied(&nsec("a.test", "d.test", &[], "test"), "c.test"), Cut::Unknown);
    // By hash; covered, where the zone leaves out unsigned delegations.
    assert_eq!(denied(&nsec3(&hash("a.test"), vec![255; 20], false, &[ns], "test"), "a.test"), Cut::Unsigned);
    assert_eq!(denied(&nsec3(&hash("a.test"), vec![255; 20], true, &[], "test"), "a.test"), Cut::Inside);
    assert_eq!(denied(&around("a.test", true, "test"), "a.test"), Cut::Unsigned);
    assert_eq!(denied(&around("a.test", false, "test"), "a.test"), Cut::Unknown);
    assert_eq!(denied(&around("b.test", true, "test"), "a.test"), Cut::Unknown);
    // Nobody says anything, or without proof.
    assert_eq!(denied(&[], "a.test"), Cut::Unknown);
    let [mut forged, signature] = nsec("a.test", "b.test", &[ns], "test");
    forged.proof = Proof::Insecure;
    assert_eq!(denied(&[forged, signature], "a.test"), Cut::Unknown);
    // Below a signed zone its parent has nothing to say, though its records cover the name.
    let from_above = heard([], around("mx.victim.test", true, "test"));
    assert_eq!(from_above.cut(&name("mx.victim.test"), &name("victim.test")), Cut::Unknown);
    let from_aside = heard([], nsec("mx.victim.test", "n.victim.test", &[ns], "evil.test"));
    assert_eq!(from_aside.cut(&name("mx.victim.test"), &name("victim.test")), Cut::Unknown);
}

//! What the nodes of one directory say to each other, judged by other people's CDDL (docs/spec/cluster.cddl).

use super::frames::judge;

#[test]
fn what_nodes_say_is_made_of_the_messages_in_the_cddl() {
    let Some(python) = super::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("both.cddl");
    let page = |name: &str| std::fs::read_to_string(super::root().join("docs/spec").join(name)).unwrap();
    std::fs::write(&rules, page("cluster.cddl") + &page("directory.cddl")).unwrap();
    let vectors = std::fs::read(super::root().join("tests/vectors/cluster/messages.json")).unwrap();
    let vectors: Vec<serde_json::Value> = serde_json::from_slice(&vectors).unwrap();
    let mut written = Vec::new();
    for vector in &vectors {
        let rule = if vector["rule"] == "sealed" { "sealed" } else { "message" };
        written.push((rule, hex::decode(vector["hex"].as_str().unwrap()).unwrap()));
    }
    let judged = judge(&python, rules.to_str().unwrap(), &written).unwrap();
    for number in (0..=13).chain(16..=20) {
        assert!(judged[number.to_string()].as_u64().is_some_and(|count| count > 0), "{number}: {judged}");
    }
    // The judge is awake: a call id that is too short, by one byte.
    let (rule, mut wrong) = written.iter().find(|(_, body)| body.starts_with(&[0x83, 0x0b])).unwrap().clone();
    assert_eq!(wrong.len(), 2 + 9 + 17);
    wrong.truncate(2 + 9);
    wrong.extend([0x4f; 16]);
    assert!(judge(&python, rules.to_str().unwrap(), &[(rule, wrong)]).is_err());
}

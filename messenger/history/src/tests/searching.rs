use proptest::prelude::*;

use super::*;

fn found(history: &History, needle: &str, within: Option<&Conversation>) -> Vec<String> {
    history.search(needle, within, None, 10).unwrap().into_iter().map(|found| found.entry.text).collect()
}

#[test]
fn words_are_found_newest_first_in_one_conversation_or_in_all() {
    let (_home, _folder, mut history) = begun();
    history.add(&bob(), &text(1, "Das Brot ist frisch")).unwrap();
    history.add(&bob(), &theirs(1, "Brötchen, und Käse")).unwrap();
    history.add(&room(), &text(2, "kein Brot mehr")).unwrap();
    assert_eq!(found(&history, "brot", None), ["kein Brot mehr", "Brötchen, und Käse", "Das Brot ist frisch"]);
    assert_eq!(found(&history, "brot", Some(&bob())), ["Brötchen, und Käse", "Das Brot ist frisch"]);
    assert_eq!(found(&history, "brot", Some(&room())), ["kein Brot mehr"]);
    assert_eq!(found(&history, "KASE", None), ["Brötchen, und Käse"], "case and accents");
    assert_eq!(found(&history, "frisch brot", None), ["Das Brot ist frisch"], "all words, in any order");
    assert_eq!(found(&history, "\"ist frisch\"", None), ["Das Brot ist frisch"]);
    assert!(found(&history, "\"frisch ist\"", None).is_empty());
    assert!(found(&history, "rot", None).is_empty(), "words, from their beginning");
    // The word that names a conversation is nobody's word.
    assert!(found(&history, "c1", None).is_empty() && found(&history, "c1", Some(&bob())).is_empty());
    let first = history.search("brot", None, None, 1).unwrap();
    let next = history.search("brot", None, Some(first[0].entry.id), 1).unwrap();
    assert_eq!(next[0].entry.text, "Brötchen, und Käse");
    assert_eq!((first[0].conversation.clone(), first[0].title.as_str()), (room(), "tea"));
    assert!(matches!(history.search("?", None, None, 10), Err(HistoryError::Needle)));
}

#[test]
fn whatever_is_typed_is_no_query() {
    let (_home, _folder, mut history) = begun();
    history.add(&bob(), &text(1, "Robert'); DROP TABLE entries;-- said \"hi\" (NEAR) a:b ^c* {d} -e +f")).unwrap();
    for typed in
        ["\"", "a\"b", "Robert') --", "NEAR(a b)", "text:hi", "^c*", "{d} : e", "AND", "a AND", "hi*", "\0x", "- - -x"]
    {
        for within in [None, Some(&bob())] {
            let result = history.search(typed, within, None, 10);
            assert!(matches!(result, Ok(_) | Err(HistoryError::Needle)), "{typed}: {result:?}");
        }
    }
    assert_eq!(found(&history, "Robert') DROP", None).len(), 1);
    assert_eq!(found(&history, "a:b ^c* -e", None).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_is_typed_is_an_error_of_the_database(all in proptest::collection::vec(any::<String>(), 40)) {
        let (_home, _folder, mut history) = begun();
        history.add(&bob(), &text(1, "bread")).unwrap();
        for typed in all {
            let result = history.search(&typed, Some(&bob()), None, 10);
            prop_assert!(matches!(result, Ok(_) | Err(HistoryError::Needle)), "{result:?}");
        }
    }
}

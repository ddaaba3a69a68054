//! The steps, played without a screen and without a server.

use std::collections::VecDeque;
use std::future::Future;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::page::Note;
use super::*;
use crate::app::editor::Editor;
use crate::view::theme::Theme;

/// Answers in order; what was shown stays.
#[derive(Default)]
struct Played {
    answers: VecDeque<Turn<std::convert::Infallible>>,
    shown: Vec<Page>,
}

impl Played {
    fn new(answers: impl IntoIterator<Item = Turn<std::convert::Infallible>>) -> Self {
        Self { answers: answers.into_iter().collect(), shown: Vec::new() }
    }

    fn last(&self) -> &Page {
        self.shown.last().unwrap()
    }
}

impl Face for Played {
    async fn turn<T>(&mut self, page: &Page, work: impl Future<Output = T>) -> Result<Turn<T>, Failure> {
        self.shown.push(page.clone());
        if page.question.is_none() {
            return Ok(Turn::Done(work.await));
        }
        Ok(match self.answers.pop_front().expect("an answer to every question") {
            Turn::Typed(text) => Turn::Typed(text),
            Turn::Back => Turn::Back,
            Turn::Leave => Turn::Leave,
            Turn::Done(never) => match never {},
        })
    }
}

fn typed(text: &str) -> Turn<std::convert::Infallible> {
    Turn::Typed(text.to_owned())
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    (folder, home)
}

#[tokio::test]
async fn what_is_wrong_is_said_and_asked_again_and_leaving_is_always_possible() {
    let (_folder, home) = home();
    let mut page = Page::default();
    let mut face = Played::new([typed("inperson:nonsense"), typed(""), typed("localhost:1"), Turn::Leave]);
    assert_eq!(trusting::trust(&home, None, &mut page, &mut face).await.unwrap(), Move::Leave);
    let wrong: Vec<_> = face
        .shown
        .iter()
        .flat_map(|page| &page.notes)
        .filter_map(|note| match note {
            Note::Wrong(words) => Some(words.as_str()),
            Note::Said(_) => None,
        })
        .collect();
    assert!(wrong[0].contains("no contact card"), "{wrong:?}");
    assert!(wrong.last().unwrap().contains("localhost:1"), "{wrong:?}");
    assert!(home.trust_policies().unwrap().is_empty());

    let mut progress = Progress::default();
    let mut face = Played::new([typed("alice"), typed("alice@example.org"), Turn::Back]);
    let went = address(&home, (&mut progress, None), &mut Page::default(), &mut face).await.unwrap();
    assert_eq!(went, Move::Back);
    assert!(
        matches!(&face.last().notes[..], [.., Note::Wrong(words)] if words.contains("no trust policy")),
        "{face_notes:?}",
        face_notes = face.last().notes
    );
    assert_eq!(face.last().proposal, "alice@example.org", "it need not be typed again");
    assert_eq!(progress::load(&home).unwrap().unwrap().address.unwrap().as_str(), "alice@example.org");
}

#[tokio::test]
async fn the_card_that_was_opened_is_proposed_and_nothing_is_believed_before_the_answer() {
    let (_folder, home) = home();
    let card: identity::card::ContactCard =
        format!("inperson:bob@example.org?genesis={}&directory=localhost:1", "5f".repeat(32)).parse().unwrap();
    let mut page = Page::default();
    let mut face = Played::new([typed("nonsense:1"), Turn::Leave]);
    assert_eq!(
        trusting::trust(&home, Some(&Link::Card(card.clone())), &mut page, &mut face).await.unwrap(),
        Move::Leave
    );
    assert_eq!(face.shown[0].proposal, card.to_string());
    assert!(matches!(&face.shown[0].notes[..], [Note::Said(words)] if words.contains("a card of bob@example.org")));
    assert_eq!(face.last().proposal, "", "another answer was given");
    assert!(home.trust_policies().unwrap().is_empty());
}

#[tokio::test]
async fn a_device_that_another_one_invites_is_no_contact_and_has_its_address() {
    let (_folder, home) = home();
    let policy = identity::testing::Authority::new(1, identity::testing::NOON).policy();
    home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
    let card = format!("inperson:alice@example.org?genesis={}&directory=localhost:1", policy.fingerprint());
    let link = format!("{card}&key={}&invite={}", "07".repeat(32), "0f".repeat(16));
    let opened: Link = link.parse().unwrap();
    let mut face = Played::new([typed(&link), typed("")]);
    let went = trusting::trust(&home, Some(&opened), &mut Page::default(), &mut face).await.unwrap();
    assert_eq!(went, Move::On);
    assert_eq!(face.shown[0].proposal, link);
    let said =
        |words: &str| face.last().notes.iter().any(|note| matches!(note, Note::Said(said) if said.contains(words)));
    assert!(said("one of alice@example.org's"), "{:?}", face.last().notes);
    assert!(crate::contacts::ContactBook::new(home.clone()).load().unwrap().is_empty());
    let kept = invitation::load(&home, UnixTime::now()).unwrap().unwrap();
    assert_eq!(*kept.link(), link);

    let mut face = Played::new([Turn::Back]);
    let mut progress = Progress::default();
    let went = address(&home, (&mut progress, Some(&kept)), &mut Page::default(), &mut face).await.unwrap();
    assert_eq!((went, face.last().proposal.as_str()), (Move::Back, "alice@example.org"));
}

#[tokio::test]
async fn how_she_appears_is_kept() {
    let (_folder, home) = home();
    let mut face = Played::new([typed(&"x".repeat(201)), typed(" Alice, Bern ")]);
    assert_eq!(words(&home, &mut Page::default(), &mut face).await.unwrap(), Move::On);
    assert!(matches!(&face.last().notes[..], [Note::Wrong(words)] if words.contains("At most 200 bytes")));
    let mut face = Played::new([typed("everybody"), typed("3")]);
    assert_eq!(visibility(&home, &mut Page::default(), &mut face).await.unwrap(), Move::On);
    let kept = appearance::load(&home).unwrap();
    assert_eq!((kept.text.as_str(), &kept.visible_to), ("Alice, Bern", &Audience::Nobody));
    let mut face = Played::new([Turn::Back]);
    assert_eq!(words(&home, &mut Page::default(), &mut face).await.unwrap(), Move::Back);
    assert_eq!(face.last().proposal, "Alice, Bern");
}

#[test]
fn a_page_fits_into_the_smallest_window_with_its_question_and_moves_no_terminal() {
    let mut page =
        Page { step: (2, 5), title: "Your address", question: Some("Your address".to_owned()), ..Page::default() };
    page.words = vec!["By which address are people to find you?".to_owned()];
    for n in 0..40 {
        page.say(format!("note {n} \u{1b}[2J\u{202e}"));
    }
    for (columns, rows) in [(40, 12), (80, 24), (200, 60)] {
        let mut screen = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let editor = Editor::with("alice@example.org".to_owned());
        screen.draw(|frame| draw::draw(frame, &page, &editor, Theme::plain())).unwrap();
        let text = screen.backend().to_string();
        for awaited in ["Your address", "> alice@example.org", "note 39 ␛[2J\u{fffd}", "Esc"] {
            assert!(text.contains(awaited), "{columns}×{rows}: {awaited}\n{text}");
        }
    }
}

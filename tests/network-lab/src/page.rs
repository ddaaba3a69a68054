//! docs/connectivity.md: its tables are written from what was measured, and compared with what is found later. Times differ
//! from machine to machine; who reaches whom does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use story::{Context, Failure};

use crate::rules::NatKind;
use crate::run::Outcome;
use crate::scenario::{Scenario, Table};

/// What was played.
pub type Results = Vec<(Scenario, Outcome)>;

/// Stands between an outcome and its times.
const TIMES: &str = " · ";

impl Table {
    const ALL: [Self; 3] = [Self::Pairs, Self::Networks, Self::Turns];

    const fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Pairs => ("<!-- pairs -->\n", "<!-- end of pairs -->"),
            Self::Networks => ("<!-- networks -->\n", "<!-- end of networks -->"),
            Self::Turns => ("<!-- turns -->\n", "<!-- end of turns -->"),
        }
    }
}

/// Writes all tables anew.
///
/// # Errors
/// A mark is missing in the page, or it cannot be written.
pub fn update(page: &Path, results: &Results) -> Result<(), Failure> {
    let mut text = std::fs::read_to_string(page).context(page.display())?;
    for table in Table::ALL {
        let old = section(&text, table)?.to_owned();
        let (begin, end) = table.marks();
        let rows: Vec<&(Scenario, Outcome)> = results.iter().filter(|(scenario, _)| scenario.table == table).collect();
        let new = if table == Table::Pairs { matrix(&rows) } else { list(&rows, table) };
        text = text.replace(&format!("{begin}{old}{end}"), &format!("{begin}{new}{end}"));
    }
    std::fs::write(page, text).context(page.display())
}

/// Compares outcomes with those in the page.
///
/// # Errors
/// One differs, or is not there.
pub fn compare(page: &Path, results: &Results) -> Result<(), Failure> {
    let text = std::fs::read_to_string(page).context(page.display())?;
    for (scenario, outcome) in results {
        let written = cells(section(&text, scenario.table)?);
        let column = scenario.column.unwrap_or(OUTCOME);
        let written = written.get(&(scenario.row.clone(), column.to_owned())).map(|cell| timeless(cell));
        let found = cell(outcome, scenario.table);
        if written != Some(timeless(&found)) {
            return Err(Failure::new(format!(
                "{}: {} says {written:?}, found {:?}; if that is right, write the page anew: UPDATE_CONNECTIVITY=1 (see there)",
                scenario.name,
                page.display(),
                timeless(&found)
            )));
        }
    }
    Ok(())
}

fn section(text: &str, table: Table) -> Result<&str, Failure> {
    let (begin, end) = table.marks();
    let rest = text.split_once(begin).context(format!("expected {begin:?} in the page"))?.1;
    Ok(rest.split_once(end).context(format!("expected {end:?} in the page"))?.0)
}

/// The cells of a table by row and column.
fn cells(section: &str) -> BTreeMap<(String, String), String> {
    let split = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace("**", "")).collect()
    };
    let mut lines = section.lines().filter(|line| line.starts_with('|')).map(split);
    let head = lines.next().unwrap_or_default();
    let rows = lines.skip(1).filter_map(|row| row.split_first().map(|(name, cells)| (name.clone(), cells.to_vec())));
    rows.flat_map(|(name, cells)| {
        let named = head.iter().skip(1).cloned().zip(cells);
        named.map(move |(column, cell)| ((name.clone(), column), cell)).collect::<Vec<_>>()
    })
    .collect()
}

/// What a cell says, without how long it took.
fn timeless(cell: &str) -> String {
    cell.split(TIMES).next().unwrap_or_default().to_owned()
}

/// The head of the column with outcomes.
const OUTCOME: &str = "what becomes of it";

fn cell(outcome: &Outcome, table: Table) -> String {
    match outcome {
        Outcome::Connects { first_text, .. } if table == Table::Pairs => {
            format!("yes{TIMES}{} / {}", seconds(first_text.p50), seconds(first_text.p95))
        }
        Outcome::Refused { .. } if table == Table::Pairs => "no".to_owned(),
        Outcome::Connects { .. } if table == Table::Networks => "connected".to_owned(),
        Outcome::Connects { .. } => "goes on".to_owned(),
        Outcome::Refused { reason } => format!("refused: “{}”", plain(reason)),
        Outcome::Interrupted { again: true } => "ends: the sender is told, and the next text begins anew".to_owned(),
        Outcome::Interrupted { again: false } => {
            "ends: the sender is told, and they do not find each other for a minute".to_owned()
        }
    }
}

/// Without what would end a cell.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

fn matrix(rows: &[&(Scenario, Outcome)]) -> String {
    let names = NatKind::ALL.map(NatKind::name);
    let mut text = format!("| caller ↓ callee → | {} |\n|---|---|---|---|---|\n", names.join(" | "));
    for alice in names {
        let of_row = rows.iter().filter(|(scenario, _)| scenario.row == alice);
        let cells: Vec<String> = of_row.map(|(scenario, outcome)| cell(outcome, scenario.table)).collect();
        text += &format!("| **{alice}** | {} |\n", cells.join(" | "));
    }
    text
}

fn list(rows: &[&(Scenario, Outcome)], table: Table) -> String {
    let first = if table == Table::Networks { "networks" } else { "what happens" };
    let mut text = format!("| {first} | {OUTCOME} | p50 | p95 |\n|---|---|---|---|\n");
    for (scenario, outcome) in rows {
        let (p50, p95) = match outcome {
            Outcome::Connects { first_text, .. } => (seconds(first_text.p50), seconds(first_text.p95)),
            _ => (String::new(), String::new()),
        };
        text += &format!("| {} | {} | {p50} | {p95} |\n", scenario.row, cell(outcome, table));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::scenario;

    fn outcome(millis: u64) -> Outcome {
        let first_text = Figures::of(vec![Duration::from_millis(millis)]).unwrap();
        Outcome::Connects { first_text, set_up: None, next_text: None }
    }

    fn empty() -> tempfile::NamedTempFile {
        let page = tempfile::NamedTempFile::new().unwrap();
        let marks = Table::ALL.map(|table| format!("{}old\n{}\n", table.marks().0, table.marks().1));
        std::fs::write(page.path(), format!("# Page\n{}end\n", marks.concat())).unwrap();
        page
    }

    #[test]
    fn what_is_written_agrees_with_itself_whatever_the_time_but_not_with_other_outcomes() {
        let page = empty();
        let results: Results = scenario::all().into_iter().map(|scenario| (scenario, outcome(120))).collect();
        update(page.path(), &results).unwrap();
        let text = std::fs::read_to_string(page.path()).unwrap();
        assert!(text.starts_with("# Page\n") && text.ends_with("end\n") && !text.contains("old"));
        assert!(text.contains("yes · 0.12 / 0.12"), "{text}");
        compare(page.path(), &results).unwrap();
        for (scenario, _) in &results {
            let slower = vec![(scenario.clone(), outcome(999))];
            compare(page.path(), &slower).unwrap();
            let refused = vec![(scenario.clone(), Outcome::Refused { reason: "why".into() })];
            compare(page.path(), &refused).unwrap_err();
        }
        update(page.path(), &results).unwrap();
        assert_eq!(std::fs::read_to_string(page.path()).unwrap(), text, "writing it twice changes nothing");
    }

    #[test]
    fn every_scenario_has_a_place_of_its_own_in_the_page() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/connectivity.md");
        let text = std::fs::read_to_string(page).unwrap();
        let mut places = std::collections::BTreeSet::new();
        for scenario in scenario::all() {
            let place = (scenario.row, scenario.column.unwrap_or(OUTCOME).to_owned());
            let written = cells(section(&text, scenario.table).unwrap());
            assert!(written.contains_key(&place), "{}: the page has no {place:?}", scenario.name);
            assert!(places.insert(place), "{} shares its place", scenario.name);
        }
    }

    #[test]
    fn a_page_without_marks_is_no_page() {
        let page = tempfile::NamedTempFile::new().unwrap();
        update(page.path(), &Vec::new()).unwrap_err();
    }
}

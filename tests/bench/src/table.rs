//! What is printed: a table for people, an array for programs.

use serde::Serialize;

use crate::measure::{Pair, Part};
use crate::rows::Row;

/// One printed row.
#[derive(Serialize)]
pub(crate) struct Line {
    name: &'static str,
    figure: f64,
    unit: &'static str,
    baseline: f64,
    ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    #[serde(skip)]
    aim: &'static str,
}

impl Line {
    pub(crate) fn new(row: &Row, pair: Pair) -> Self {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let (figure, baseline) = (round(pair.figure), round(pair.baseline));
        Self {
            name: row.name,
            figure,
            unit: row.unit,
            baseline,
            ratio: round(pair.figure / pair.baseline),
            note: pair.note,
            parts: pair.parts,
            aim: row.aim,
        }
    }
}

pub(crate) fn print(lines: &[Line], json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(lines).expect("numbers and strings always serialise"));
        return;
    }
    println!("{:<18} {:>12} {:>12}  {:<14} {:>6}  aim", "row", "figure", "baseline", "unit", "ratio");
    for line in lines {
        let Line { name, figure, unit, baseline, ratio, note, parts, aim } = line;
        println!("{name:<18} {figure:>12.2} {baseline:>12.2}  {unit:<14} {ratio:>6.2}  {aim}");
        if let Some(note) = note {
            println!("{:<18} {note}", "");
        }
        for Part { name, figure, unit, times } in parts {
            println!("{:<18} {figure:>12.3} {unit} {name} ({times:.1} times)", "");
        }
    }
}

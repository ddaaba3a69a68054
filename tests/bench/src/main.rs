//! `./bench [ROW…]`: figures, each beside a bare baseline (the same work by the underlying library alone) measured in the same run.
//!
//! It measures and prints; it never fails because a machine is slow.

mod measure;
mod quic;
mod rows;
mod table;

use clap::Parser;

/// Measures the rows whose name contains one of the given words (all without any).
#[derive(Parser)]
#[command(name = "bench", after_help = "Example:\n  ./bench verify handshake --json")]
struct Arguments {
    /// Parts of row names, such as `verify` or `message.echo`.
    rows: Vec<String>,
    /// An array of {"name", "figure", "unit", "baseline", "ratio"} instead of a table; where there is something to say also
    /// "note", and "parts": what the figure is made of, as an array of {"name", "figure", "unit", "times"}.
    #[arg(long)]
    json: bool,
    /// Ten times as many rounds; `directory.hold` holds 20,000 people for ten minutes, and takes back 50,000.
    #[arg(long)]
    full: bool,
    /// A part of a row that is measured in a process of its own, started by the bench itself.
    #[arg(long, hide = true)]
    part: Option<String>,
    /// The folder that the part works in.
    #[arg(long, hide = true, requires = "part")]
    folder: Option<std::path::PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    if let (Some(part), Some(folder)) = (&arguments.part, &arguments.folder) {
        match part.split_once(':') {
            Some(("ca", smtp)) => rows::ca::servers::part(smtp, folder),
            _ => rows::log::part(part, folder),
        }
        return;
    }
    let scale = measure::Scale { factor: if arguments.full { 10 } else { 1 } };
    let chosen: Vec<_> = rows::ALL
        .iter()
        .filter(|row| {
            arguments.rows.is_empty()
                || arguments.rows.iter().any(|word| format!(".{}.", row.name).contains(&format!(".{word}.")))
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
        eprintln!("bench: no row is named so; there are {}", names.join(", "));
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs only threads");
    let mut lines = Vec::with_capacity(chosen.len());
    for row in chosen {
        eprintln!("measuring {} …", row.name);
        lines.push(table::Line::new(row, (row.run)(&runtime, scale)));
    }
    table::print(&lines, arguments.json);
}

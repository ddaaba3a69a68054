//! `transparency-log`: a log, a witness, a mirror or a monitor as a process.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}

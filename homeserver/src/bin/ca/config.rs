//! A new authority, and its settings.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use command_line::{Failure, say};
use homeserver::{Options, check, init as found, settings};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check the settings and the files beside them, also while the authority runs
    ///
    /// Whatever would keep the authority from starting with them is told, with its line; a misspelt key with the one that
    /// may have been meant. Nothing is changed.
    #[command(after_help = "Examples:\n  \
        ca --folder /srv/inperson config check\n  \
        ca --folder /srv/inperson config check next.toml\n\n\
        Exit codes: 0 in order, 1 not.")]
    Check {
        /// Other settings than homeserver.toml, for the same folder
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show a sample of the settings that explains every key
    #[command(after_help = "Example:\n  ca config sample > homeserver.toml")]
    Sample,
}

/// Makes a new authority.
pub(crate) fn init(options: &Options, folder: &Path, json: bool) -> Result<(), Failure> {
    let options = Options { folder: folder.to_path_buf(), ..options.clone() };
    let made = found::init(&options)?;
    if json {
        say!("{}", json!(made));
    } else {
        say!("{}", made.to_string().trim_end());
    }
    Ok(())
}

/// Checks settings, or shows some.
pub(crate) fn run(config: &Config, folder: &Path, json: bool) -> Result<(), Failure> {
    let Config::Check { file } = config else {
        say!("{}", settings::SAMPLE.trim_end());
        return Ok(());
    };
    // Clients are made, and thrown away; they want a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(1, error, "try again"))?;
    let checked = runtime.block_on(async { check::check(folder, file.as_deref()) })?;
    if json {
        say!("{}", json!(checked));
        return Ok(());
    }
    say!("In order: {}", checked.file.display());
    say!("  address   {}", checked.base_url);
    say!("  log       {}", checked.log);
    say!("  mails     {}", checked.mails);
    say!("  enrol     {}", [checked.permit_domains, checked.permit_phones].concat().join(", "));
    say!("  policy    {}", if checked.founded { "the one in the folder, which fits" } else { "none yet" });
    for warning in checked.warnings {
        say!("  warning   {warning}");
    }
    Ok(())
}

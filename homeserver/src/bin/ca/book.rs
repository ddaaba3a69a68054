//! The authority's database, opened for reading: a file in its folder, or the one that its front ends share.

use std::path::Path;

use ca::store::{Book, StoreError};
use command_line::Failure;
use homeserver::settings;

/// Opens it.
pub(crate) fn open(folder: &Path) -> Result<Book, Failure> {
    if let Some(url) = settings::shared_database(folder)? {
        let remedy =
            "look at `database` in homeserver.toml and at the database; start the authority of this version once";
        return Book::open_shared(&url).map_err(|error| Failure::new(1, error, remedy));
    }
    let path = folder.join("ca.sqlite");
    if !path.is_file() {
        let what = format!("{}: there is no authority's database", path.display());
        return Err(Failure::new(1, what, "name the authority's folder with --folder DIR"));
    }
    Book::open(&path).map_err(|error| Failure::new(1, error, "start the authority of this version once"))
}

/// What is not done to a database that front ends share.
pub(crate) fn only_in_the_folder(folder: &Path) -> Result<(), Failure> {
    if settings::shared_database(folder)?.is_none() {
        return Ok(());
    }
    let what = "expected the database in the folder, found one that front ends share";
    Err(Failure::new(1, what, "starting an authority of this version brings it up to date; there is no way down"))
}

pub(crate) fn failed(error: StoreError) -> Failure {
    Failure::new(1, error, "look at the database's permissions and at the disk")
}

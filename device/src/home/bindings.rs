//! To which authority each person is bound: `bindings.json` (rule TRUST-06).

use identity::trust::Bindings;

use super::{Home, HomeError, MAX_FILE_BYTES};
use crate::files;

const FILE: &str = "bindings.json";

/// Bindings of people to authorities.
impl Home {
    /// Everybody who is bound.
    pub fn bindings(&self) -> Result<Bindings, HomeError> {
        let path = self.folder.join(FILE);
        let Some(text) = files::read_text(&path)? else { return Ok(Bindings::default()) };
        Bindings::from_json(&text).map_err(|error| HomeError::Corrupt {
            path,
            expected: "the authorities to which people are bound".to_owned(),
            found: error.to_string(),
        })
    }

    /// Changes the bindings under the folder's lock; on disk when this returns. More than could be read again are not written.
    pub fn change_bindings<T>(&self, change: impl FnOnce(&mut Bindings) -> T) -> Result<T, HomeError> {
        let _lock = self.lock()?;
        let before = self.bindings()?;
        let mut bindings = before.clone();
        let result = change(&mut bindings);
        if bindings != before {
            let (path, text) = (self.folder.join(FILE), bindings.to_json());
            if text.len() > MAX_FILE_BYTES {
                return Err(HomeError::TooLarge { path, limit: MAX_FILE_BYTES });
            }
            files::write_atomic(&path, text.as_bytes())?;
        }
        Ok(result)
    }
}

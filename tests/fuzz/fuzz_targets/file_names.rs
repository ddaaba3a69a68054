//! Names of files from elsewhere: whatever is offered, what is made of it names one file in one folder.
#![no_main]

use file_transfer::{MAX_SAFE_NAME_BYTES, SafeName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(offered) = std::str::from_utf8(bytes) else { return };
    let safe = SafeName::from_offered(offered);
    let name = safe.as_str();
    assert!(!name.is_empty() && name.len() <= MAX_SAFE_NAME_BYTES && !name.starts_with('.'), "{name:?}");
    assert!(!name.contains(['/', '\\', ':']) && !name.ends_with(['.', ' ']), "{name:?}");
    assert!(!name.chars().any(char::is_control), "{name:?}");
    let parts: Vec<_> = std::path::Path::new(name).components().collect();
    assert!(matches!(parts[..], [std::path::Component::Normal(_)]), "{name:?}");
    assert_eq!(SafeName::from_offered(name), safe, "harmless once is harmless twice");
});

//! What is told on standard error: which messages, and in what form. Never what libraries below show of content.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::arguments::Format;

/// Libraries that show below `info` what passes through them: parameters of statements with addresses and numbers, mails'
/// envelopes, requests to gateways, names that are looked up.
const SHOW_CONTENT: [&str; 8] = ["tokio_postgres", "lettre", "hickory_", "hyper", "h2", "reqwest", "rustls", "tower"];

/// Begins to tell.
pub(crate) fn begin(format: Format) {
    // A terminal shows what needs somebody; a journal keeps what was done as well.
    let filter = if format == Format::Text { "warn" } else { "warn,homeserver=info,ca=info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    match format {
        Format::Text => told(filter, lines).init(),
        Format::Json => told(filter, lines.json()).init(),
    }
}

/// What `filter` asks for, but for the content of others: whatever it says, as whoever looks for a fault by it (`debug`)
/// wants no addresses in a log that is shipped.
fn told<L>(filter: EnvFilter, lines: L) -> impl Subscriber + Send + Sync + 'static
where
    L: Layer<Registry> + Send + Sync + 'static,
{
    // It says nothing of levels, so that what `filter` leaves out is not even looked at.
    let no_content = filter_fn(is_no_content).with_max_level_hint(LevelFilter::TRACE);
    tracing_subscriber::registry().with(lines.with_filter(filter.and(no_content)))
}

fn is_no_content(of: &Metadata<'_>) -> bool {
    *of.level() <= LevelFilter::INFO || !SHOW_CONTENT.iter().any(|library| of.target().starts_with(library))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn content_that_a_library_shows_is_never_told_whatever_is_asked_for() {
        for asked in ["debug", "trace,tokio_postgres=trace", "warn,tokio_postgres::query=trace"] {
            let page = Page::default();
            let lines = tracing_subscriber::fmt::layer().with_writer({
                let page = page.clone();
                move || page.clone()
            });
            tracing::subscriber::with_default(told(EnvFilter::new(asked), lines), || {
                tracing::debug!(target: "tokio_postgres::query", "with parameters: alice@example.org");
                tracing::trace!(target: "lettre::transport", "RCPT TO:<alice@example.org>");
                tracing::warn!(target: "tokio_postgres::connection", "the connection ended");
                tracing::debug!(target: "ca", "ours");
            });
            let told = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            assert!(told.contains("the connection ended") && !told.contains("alice"), "{asked}: {told}");
            assert_eq!(told.contains("ours"), !asked.starts_with("warn"), "{asked}: {told}");
        }
    }
}

//! Pages for people: plain HTML made here, one small style sheet inside, nothing from elsewhere, no script.
//!
//! Whatever is put into a page is text and is escaped; only what this module makes is markup.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use tlog_proof::Hash;

const STYLE: &str = include_str!("page.css");

/// A page as it grows.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    status: StatusCode,
    navigation: String,
    body: String,
}

impl Page {
    /// A page with this title, which is also its first heading.
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), status: StatusCode::OK, navigation: String::new(), body: String::new() }
    }

    /// Another status than 200.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Links under the title: address and words.
    #[must_use]
    pub fn with_navigation(mut self, links: &[(&str, &str)]) -> Self {
        let links =
            links.iter().map(|(address, words)| format!("<a href=\"{}\">{}</a>", escape(address), escape(words)));
        self.navigation = format!("<nav>{}</nav>", links.collect::<String>());
        self
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        self.add(&format!("<h2>{}</h2>\n", escape(text)));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.add(&format!("<p>{}</p>\n", escape(text)));
    }

    /// A paragraph that says that something is right.
    pub fn good(&mut self, text: &str) {
        self.add(&format!("<p class=\"good\">✓ {}</p>\n", escape(text)));
    }

    /// A paragraph that says that something is wrong.
    pub fn bad(&mut self, text: &str) {
        self.add(&format!("<p class=\"bad\">✗ {}</p>\n", escape(text)));
    }

    /// Names and values.
    pub fn facts(&mut self, facts: &[(&str, &str)]) {
        let facts = facts
            .iter()
            .map(|(name, value)| format!("<dt>{}</dt><dd class=\"mono\">{}</dd>\n", escape(name), escape(value)));
        self.add(&format!("<dl>\n{}</dl>\n", facts.collect::<String>()));
    }

    /// One long value that few want to see: its name, and the value when asked for.
    pub fn folded(&mut self, name: &str, value: &str) {
        let (name, value) = (escape(name), escape(value));
        self.add(&format!("<details><summary>{name}</summary><p class=\"mono\">{value}</p></details>\n"));
    }

    /// A table; on a narrow screen each row becomes a list of names and values.
    pub fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) {
        let cell = |(label, cell): (&&str, &String)| {
            format!("<td data-label=\"{}\"><span>{}</span></td>", escape(label), escape(cell))
        };
        let row = |row: Vec<String>| format!("<tr>{}</tr>\n", head.iter().zip(&row).map(cell).collect::<String>());
        let rows: String = rows.into_iter().map(row).collect();
        let head: String = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
        let table = format!("<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>");
        self.add(&format!("<div class=\"scroll\" tabindex=\"0\">{table}</div>\n"));
    }

    /// Steps in their order: what is done, and what comes out.
    pub fn steps(&mut self, steps: &[(String, String)]) {
        let step = |(what, result): &(String, String)| {
            format!("<li>{}<br><code>{}</code></li>\n", with_code(what), escape(result))
        };
        let steps: String = steps.iter().map(step).collect();
        self.add(&format!("<ol>\n{steps}</ol>\n"));
    }

    /// Links in a paragraph: address and words.
    pub fn links(&mut self, links: &[(String, String)]) {
        let link =
            |(address, words): &(String, String)| format!("<a href=\"{}\">{}</a>", escape(address), escape(words));
        let links: Vec<String> = links.iter().map(link).collect();
        self.add(&format!("<p>{}</p>\n", links.join(" · ")));
    }

    /// Markup made by this crate or its neighbours from escaped text.
    pub fn add(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// The answer to a request. The browser is told to take nothing from elsewhere and to run nothing.
    pub fn respond(self) -> Response {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            Hash(Sha256::digest(STYLE).into())
        );
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        (self.status, headers, self.to_html()).into_response()
    }

    fn to_html(&self) -> String {
        let (title, navigation, body) = (escape(&self.title), &self.navigation, &self.body);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <header><h1>{title}</h1>{navigation}</header>\n<main>\n{body}</main>\n\
             <footer>In Person · nothing here needs to be believed: every statement can be recomputed from public files.</footer>\n\
             </body>\n</html>\n"
        )
    }
}

/// Escaped text in which long words of hexadecimal digits look like what they are.
fn with_code(text: &str) -> String {
    let word = |word: &str| {
        let digits = word.trim_end_matches([',', '.', ':']);
        let is_hash = digits.len() >= 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_hash {
            true => format!("<code>{digits}</code>{}", &word[digits.len()..]),
            false => escape(word),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Text as it may stand in HTML, attributes included.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A moment in words: UTC, and how long ago.
pub fn moment(at: u64, now: u64) -> String {
    format!("{} ({})", utc(at), ago(at, now))
}

/// How long ago `at` was.
pub fn ago(at: u64, now: u64) -> String {
    let since = now.abs_diff(at);
    let span = match since {
        0..=1 => return "just now".to_owned(),
        2..=119 => format!("{since} seconds"),
        120..=7_199 => format!("{} minutes", since / 60),
        7_200..=172_799 => format!("{} hours", since / 3_600),
        _ => format!("{} days", since / 86_400),
    };
    if at > now { format!("{span} ahead of this clock") } else { format!("{span} ago") }
}

/// RFC 3339 in UTC, by the proleptic Gregorian calendar.
pub fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Eras of 400 years that begin on 1 March, so that the leap day is the last one of a year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut page = Page::new("<script>alert('title')</script>");
        page.paragraph("<img src=x onerror=alert(1)>");
        page.facts(&[("\"><b>", "'\u{0}'")]);
        page.table(&["<th>\"<b>"], vec![vec!["</td><script>".to_owned()]]);
        page.folded("<b>", "</p><script>");
        page.steps(&[("<b> of <script>".to_owned(), "<b>".to_owned())]);
        let html = page.to_html();
        for markup in ["<script", "<img", "<b>", "\u{0}"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }

    #[test]
    fn hashes_in_steps_are_set_as_code() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(with_code(&format!("of 01, {hash}, and <1>")), format!("of 01, <code>{hash}</code>, and &lt;1&gt;"));
        assert_eq!(with_code("no hash: deadbeef"), "no hash: deadbeef");
    }

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_648_496, "2026-11-25T23:14:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
        assert_eq!(ago(100, 100), "just now");
        assert_eq!(ago(100, 400), "5 minutes ago");
        assert_eq!(ago(400, 100), "5 minutes ahead of this clock");
        assert_eq!(ago(0, 86_400 * 9), "9 days ago");
    }
}

//! The only place that prints: results go to `out`, everything else to `err`.
//!
//! A closed stdout or stderr is not an error: the run goes on without the output that nobody reads.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::{Color, Global, Output};
use super::io::{Io, Stream};
use crate::env::Env;
use crate::oci::printable;

/// How this process prints.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about one stream, none excludes another")]
pub(super) struct Ui {
    io: Io,
    pub(super) is_json: bool,
    pub(super) is_quiet: bool,
    pub(super) verbosity: u8,
    /// Whether stderr is a terminal that can redraw a line.
    pub(super) is_live: bool,
    out_color: bool,
    err_color: bool,
    /// Whether the locale says that only ASCII can be shown.
    is_ascii: bool,
}

/// The meaning of a word, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Busy,
    Dim,
}

impl Ui {
    pub(super) fn new(global: &Global, env: &Env, io: Io) -> Self {
        let colors = |stream: &Stream| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_colored(stream, env),
        };
        Self {
            is_json: global.output == Output::Json,
            is_quiet: global.quiet,
            verbosity: global.verbose,
            is_live: io.err.is_terminal() && !is_dumb(env),
            out_color: colors(&io.out),
            err_color: colors(&io.err),
            is_ascii: is_ascii(env),
            io,
        }
    }

    /// The stream for everything that is not a result.
    pub(super) const fn notes(&self) -> &Stream {
        &self.io.err
    }

    /// `text` as this terminal can show it.
    pub(super) fn shown(&self, text: &str) -> String {
        if self.is_ascii { in_ascii(text) } else { text.to_owned() }
    }

    /// A copy that prints results where notes are printed, for what comes before the result of the command.
    pub(super) fn beside(&self) -> Self {
        let io = Io { out: self.io.err.clone(), ..self.io.clone() };
        Self { is_json: false, out_color: self.err_color, io, ..self.clone() }
    }

    /// A copy that prints no notes.
    #[cfg(feature = "sandbox")]
    pub(super) fn quieter(&self) -> Self {
        Self { is_quiet: true, ..self.clone() }
    }

    /// Prints a result.
    pub(super) fn out(&self, text: &str) {
        self.io.out.say(&self.shown(text));
    }

    /// Prints a result for a program to read: unchanged, whatever the locale says.
    pub(super) fn exact(&self, text: &str) {
        self.io.out.say(text);
    }

    /// Prints a result as JSON. Characters that JSON allows and a terminal must not get are escaped.
    pub(super) fn json(&self, value: &Value) {
        self.io.out.say(&json_line(value));
    }

    /// Prints a text that is not a result.
    pub(super) fn err(&self, text: &str) {
        self.io.err.say(&self.shown(text));
    }

    /// Prints a question. The answer is typed after it.
    pub(super) fn prompt(&self, question: &str) {
        let mut to = self.io.err.clone();
        // A user who does not see the question does not answer it, and that counts as no.
        drop(to.write_all(question.as_bytes()).and_then(|()| to.flush()));
    }

    /// Prints a warning, also in quiet mode, which only concerns progress.
    pub(super) fn warn(&self, text: &str) {
        self.err(&format!("{} {}", self.err_tone(Tone::Busy, "warning:"), plain(text)));
    }

    /// Prints a note, unless the user asked for quiet.
    pub(super) fn note(&self, text: &str) {
        if !self.is_quiet {
            self.err(text);
        }
    }

    pub(super) fn out_tone(&self, tone: Tone, text: &str) -> String {
        paint(self.out_color, tone, text)
    }

    pub(super) fn err_tone(&self, tone: Tone, text: &str) -> String {
        paint(self.err_color, tone, text)
    }
}

/// JSON as it is printed. Works before the settings for output are known.
pub(super) fn json_line(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if printable(c.encode_utf8(&mut [0; 4])) == " " && c != ' ' {
            write!(text, "\\u{:04x}", u32::from(c)).expect("a string takes what is written");
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether the environment allows colours on a stream.
pub(super) fn is_colored(stream: &Stream, env: &Env) -> bool {
    let no_color = env.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_dumb(env) && !no_color
}

fn is_dumb(env: &Env) -> bool {
    env.get("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the locale only has ASCII. The first variable that is set decides, as everywhere (locale(7)). If none is
/// set, as in most containers, nothing speaks against UTF-8.
fn is_ascii(env: &Env) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env.get(name).filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// `text` in ASCII: our own signs become their substitutes, and all other characters that are not ASCII become question
/// marks.
fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => ascii.push_str("..."),
            '✔' => ascii.push('+'),
            '✖' => ascii.push('x'),
            '↩' => ascii.push('<'),
            '↻' => ascii.push('~'),
            '●' => ascii.push('*'),
            '·' => ascii.push('-'),
            '⚠' => ascii.push('!'),
            '→' => ascii.push_str("->"),
            c if c.is_ascii() => ascii.push(c),
            _ => ascii.push('?'),
        }
    }
    ascii
}

/// `text` in at most `width` columns. A `…` shows that something was cut off.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn paint(is_colored: bool, tone: Tone, text: &str) -> String {
    if !is_colored {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Busy => "33",
        Tone::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// `text` without control characters except line ends: texts of the cloud must not move the cursor.
pub(super) fn plain(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A duration as text, such as `36.9s`, `4m41s`, `1h02m`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The time between two stamps.
pub(super) fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    duration((to - from).to_std().unwrap_or_default())
}

/// How long ago something was: as [`between`], and in days from two days on.
pub(super) fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let days = (now - since).num_days();
    if days < 2 { between(since, now) } else { format!("{days}d") }
}

/// The end of an OCID, which distinguishes it from others.
pub(super) fn short(ocid: &str) -> String {
    let n_chars = ocid.chars().count();
    if n_chars <= 24 {
        return ocid.to_owned();
    }
    let tail: String = ocid.chars().skip(n_chars - 6).collect();
    format!("…{tail}")
}

/// `text` with each OCID in it cut to its end.
pub(super) fn short_ids(text: &str) -> String {
    let words =
        text.split(' ').map(|word| if word.starts_with("ocid1.") { short(word) } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ")
}

/// A number with its noun: `1 step`, `2 steps`.
pub(super) fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_read_like_speech() {
        for (millis, expected) in [(40, "0.0s"), (36_900, "36.9s"), (281_000, "4m41s"), (3_720_000, "1h02m")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
        assert_eq!((plural(1, "step"), plural(0, "step")), ("1 step".to_owned(), "0 steps".to_owned()));
        assert_eq!(short("ocid1.computecontainerinstance.oc1.iad.anuwcljrt9qpa1"), "…t9qpa1");
        assert_eq!(plain("a\u{1b}[31mb\u{7}"), "a [31mb ");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        assert_eq!(cut("await-drain", 11), "await-drain");
        assert_eq!(cut("await-drain until noon", 13), "await-drain…");
    }

    #[test]
    fn a_locale_of_ascii_gets_ascii() {
        let locale = |name: &str, value: &str| is_ascii(&Env::of([(name.to_owned(), value.to_owned())]));
        assert!(locale("LANG", "C") && locale("LC_ALL", "POSIX") && locale("LANG", "de_DE.ISO-8859-1"));
        assert!(!locale("LANG", "C.UTF-8") && !locale("LC_CTYPE", "de_DE.utf8") && !locale("LANG", ""));
        assert_eq!(in_ascii(" ✔ ü …t9qpa1"), " + ? ...t9qpa1");
    }
}

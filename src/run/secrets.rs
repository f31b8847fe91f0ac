//! What is secret in itself, and the mask in its place wherever somebody else repeats it.
//!
//! Clouds and programs repeat what they were given: a part of it, with its lines folded into one, upper-cased, escaped,
//! in base64, cut at a limit. So what is looked for is not a whole value alone but its parts ([`parts`]), and it is
//! looked for in the text as it stands and in what the text reads as ([`views`]).
//!
//! A part of fewer than four characters is not masked within another text: it stands everywhere, and tells nothing.

mod parts;
mod views;

use std::collections::{BTreeSet, HashSet};
use std::ops::{Bound, Range};

use super::confidential::MASK;
pub use parts::passwords;
use views::View;

/// The shortest text that is looked for within another.
const SHORTEST: usize = 4;
/// The most that is looked for, in bytes: the parts of a few hundred large configuration files.
const MOST: usize = 16 << 20;

/// Texts that are never to be shown, ready to be found in others.
#[derive(Default)]
pub struct Secrets {
    /// Each as it is compared.
    wanted: BTreeSet<Vec<u8>>,
    /// The same backwards, for one whose beginning was cut off.
    reversed: BTreeSet<Vec<u8>>,
    /// How each begins: most places of a text begin none of them.
    beginnings: HashSet<[u8; SHORTEST]>,
    size: usize,
}

/// What may have been cut off a text before it came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its end, as a limit on a message does.
    End,
    /// Its beginning as well, as the end of a log has none.
    Both,
}

impl Secrets {
    /// Adds a value with all its parts.
    pub fn add(&mut self, value: &str) {
        for part in parts::of(value) {
            self.add_word(&part);
        }
    }

    /// Adds a token, whose parts are the words between its dots.
    pub fn add_token(&mut self, token: &str) {
        self.add_word(token);
        token.split('.').filter(|part| part.len() >= 2 * SHORTEST).for_each(|part| self.add_word(part));
    }

    fn add_word(&mut self, word: &str) {
        // Only the case of ASCII is folded; other letters have two forms.
        for form in [word.to_owned(), word.to_lowercase(), word.to_uppercase()] {
            let folded: Vec<u8> = form.bytes().map(views::folded).collect();
            let Some(beginning) = folded.first_chunk::<SHORTEST>() else { continue };
            if self.size + folded.len() > MOST || self.wanted.contains(&folded) {
                continue;
            }
            self.size += folded.len();
            self.beginnings.insert(*beginning);
            self.reversed.insert(folded.iter().rev().copied().collect());
            self.wanted.insert(folded);
        }
    }

    /// `text` with one mask in place of each secret, whichever way it is written.
    pub fn masked(&self, text: &str, cut: Cut) -> String {
        if self.wanted.is_empty() || text.len() < SHORTEST {
            return text.to_owned();
        }
        let mut found: Vec<Range<usize>> = Vec::new();
        for view in views::of(text) {
            self.find(&view, cut, &mut found);
        }
        covered(text, found)
    }

    fn find(&self, view: &View, cut: Cut, found: &mut Vec<Range<usize>>) {
        let text = view.folded();
        let mut is_found = |range: Range<usize>| found.extend(view.place(range));
        for start in 0..text.len().saturating_sub(SHORTEST - 1) {
            if let Some(length) = self.longest_at(&text[start..]) {
                is_found(start..start + length);
            }
        }
        for line in view.lines() {
            for end in [line.end, view.before_ellipsis(line.clone())] {
                let begins = (line.start..end.saturating_sub(SHORTEST - 1))
                    .find(|start| self.begins_with(&text[*start..end]));
                if let Some(start) = begins {
                    is_found(start..end);
                }
            }
        }
        if cut == Cut::Both {
            let backwards: Vec<u8> = text.iter().rev().copied().collect();
            let longest = (SHORTEST..=text.len())
                .rev()
                .find(|length| is_beginning(&self.reversed, &backwards[text.len() - length..]));
            if let Some(length) = longest {
                is_found(0..length);
            }
        }
    }

    /// How long the longest secret is with which a text begins.
    fn longest_at(&self, text: &[u8]) -> Option<usize> {
        let mut upto = text;
        loop {
            let beginning = upto.first_chunk::<SHORTEST>()?;
            if !self.beginnings.contains(beginning) {
                return None;
            }
            // Whatever the text begins with sorts before it, the longest last.
            let before =
                self.wanted.range::<[u8], _>((Bound::Unbounded, Bound::Included(upto))).next_back()?;
            if upto.starts_with(before) {
                return Some(before.len());
            }
            let common = before.iter().zip(upto).take_while(|(a, b)| a == b).count();
            upto = &upto[..common];
        }
    }

    /// Whether a secret begins with all of a text.
    fn begins_with(&self, text: &[u8]) -> bool {
        text.first_chunk::<SHORTEST>().is_some_and(|beginning| self.beginnings.contains(beginning))
            && is_beginning(&self.wanted, text)
    }
}

fn is_beginning(sorted: &BTreeSet<Vec<u8>>, text: &[u8]) -> bool {
    sorted
        .range::<[u8], _>((Bound::Included(text), Bound::Unbounded))
        .next()
        .is_some_and(|secret| secret.starts_with(text))
}

/// The text with the mask over these places, one for those that touch.
fn covered(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|place| place.start);
    let mut masked = String::new();
    let mut done = 0;
    let mut places = places.into_iter().peekable();
    while let Some(mut place) = places.next() {
        while let Some(next) = places.next_if(|next| next.start <= place.end) {
            place.end = place.end.max(next.end);
        }
        let start = (0..=place.start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (place.end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        masked.push_str(&text[done.min(start)..start]);
        masked.push_str(MASK);
        done = end;
    }
    masked.push_str(&text[done..]);
    masked
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} secrets", self.wanted.len())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Secrets {
    fn from_iter<T: IntoIterator<Item = S>>(values: T) -> Self {
        let mut secrets = Self::default();
        values.into_iter().for_each(|value| secrets.add(value.as_ref()));
        secrets
    }
}

#[cfg(test)]
mod tests;

//! Texts that are secret in themselves, and the mask that replaces them wherever somebody else repeats them.
//!
//! Clouds and programs repeat what they were given: a part of it, with its lines joined, in upper case, escaped, in
//! base64, or cut at a limit. So the search covers the parts of a value as well as the whole ([`parts`]), in the text
//! itself and in its decoded forms ([`views`]).
//!
//! A part of fewer than four characters is not masked inside other texts: such a part occurs everywhere and reveals
//! nothing.

mod parts;
mod views;

use std::collections::{BTreeSet, HashSet};
use std::ops::{Bound, Range};

use super::confidential::MASK;
pub use parts::passwords;
use views::View;

/// The shortest text that is searched for inside another.
const SHORTEST: usize = 4;
/// The limit on all texts searched for, in bytes: enough for the parts of a few hundred large configuration files.
const MOST: usize = 16 << 20;

/// Texts that must never be shown, prepared for the search in other texts.
#[derive(Default)]
pub struct Secrets {
    /// Each text in the form in which it is compared.
    wanted: BTreeSet<Vec<u8>>,
    /// The same texts reversed, to find one whose beginning was cut off.
    reversed: BTreeSet<Vec<u8>>,
    /// The beginning of each text. Most places in a text match none of them.
    beginnings: HashSet<[u8; SHORTEST]>,
    size: usize,
}

/// What may have been cut off a text before it came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its end, for example by a limit on messages.
    End,
    /// Its beginning as well, as in the tail of a log.
    Both,
}

impl Secrets {
    /// Adds a value and all its parts.
    pub fn add(&mut self, value: &str) {
        for part in parts::of(value) {
            self.add_word(&part);
        }
    }

    /// Adds a token. Its parts are the words between its dots.
    pub fn add_token(&mut self, token: &str) {
        self.add_word(token);
        token.split('.').filter(|part| part.len() >= 2 * SHORTEST).for_each(|part| self.add_word(part));
    }

    fn add_word(&mut self, word: &str) {
        // The comparison ignores case only in ASCII; other letters are added in both forms.
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

    /// Returns `text` with one mask in place of each secret, however the secret is written.
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

    /// The length of the longest secret with which a text begins.
    fn longest_at(&self, text: &[u8]) -> Option<usize> {
        let mut upto = text;
        loop {
            let beginning = upto.first_chunk::<SHORTEST>()?;
            if !self.beginnings.contains(beginning) {
                return None;
            }
            // Every prefix of the text sorts before it, the longest last.
            let before =
                self.wanted.range::<[u8], _>((Bound::Unbounded, Bound::Included(upto))).next_back()?;
            if upto.starts_with(before) {
                return Some(before.len());
            }
            let common = before.iter().zip(upto).take_while(|(a, b)| a == b).count();
            upto = &upto[..common];
        }
    }

    /// Whether a secret begins with the whole text.
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

/// Masks these places of the text. Places that touch share one mask.
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

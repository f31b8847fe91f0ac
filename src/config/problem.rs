//! A problem in the user's text: the file, the place in it, and what was expected.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A position in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The file, or another source of the text.
    pub source: Option<Arc<PathBuf>>,
    /// Line and column, from 1, if the reader knows them.
    pub position: Option<(usize, usize)>,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(formatter, "{}", source.display())?;
            if let Some((line, column)) = self.position {
                write!(formatter, ":{line}:{column}")?;
            }
        }
        Ok(())
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Position,
    /// The path of keys, such as `ci-config.containers[0].image-url`. Empty if the problem is about the whole file.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.source.is_some() {
            write!(formatter, "{}: ", self.place)?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

/// All problems at once. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// The problems and warnings collected while a deployment is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The problems.
    pub(super) problems: Vec<Problem>,
    /// The unusual things.
    pub(super) warnings: Vec<Problem>,
    /// Whether unknown API fields are passed on, with a warning.
    pub(super) allows_unknown_fields: bool,
}

/// The word of `known` that is most similar to `written`, if any is similar at all.
pub(super) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(written, word), word))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

/// `unknown key`, with the most similar known key.
pub(super) fn unknown_key(written: &str, known: &[String]) -> String {
    match nearest(written, known.iter().map(String::as_str)) {
        Some(word) => format!("unknown key `{written}`, did you mean `{word}`?"),
        None => format!("unknown key `{written}`; expected one of {}", known.join(", ")),
    }
}

//! The names of things: runs, steps, fences, tokens and targets.
//!
//! Each is a newtype with a private field. `Display` gives what a user types, and `FromStr` parses it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a run: a random UUID (version 4). In practice, its first eight characters identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// Creates a random id.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The first eight characters, in the form in which people quote an id.
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// How a user names a run: as the newest one, or by a prefix of its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunSelector {
    /// `latest`: the run that was started last.
    Latest,
    /// The first characters of an id, dashes included; the whole id is the longest prefix.
    Prefix(String),
}

impl fmt::Display for RunSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => formatter.write_str("latest"),
            Self::Prefix(prefix) => formatter.write_str(prefix),
        }
    }
}

/// The text is neither `latest` nor the beginning of a run id.
#[derive(Debug, thiserror::Error)]
#[error("expected a run id, a prefix of one, or `latest`")]
pub struct SelectorError;

impl FromStr for RunSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let lower = text.to_ascii_lowercase();
        let is_id_like = lower.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if lower.is_empty() || lower.len() > 36 || !is_id_like {
            return Err(SelectorError);
        }
        Ok(Self::Prefix(lower))
    }
}

/// The number of a step in its run, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(NonZeroU32);

impl Seq {
    /// The number of the first step.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The step with this number; `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The plain number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number after this one.
    ///
    /// # Panics
    /// After 2^32 steps.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("a run has fewer than 2^32 steps"))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a step within its run, and in the cloud: its activity and its subject, independent of its number. It
/// does not change when another version of the program inserts a step before it, and another machine derives the same
/// name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The step of this activity that acts on `subject`.
    pub fn of(activity: &str, subject: Option<&str>) -> Self {
        Self(subject.map_or_else(|| activity.to_owned(), |subject| format!("{activity}/{subject}")))
    }

    /// The name of the `n`th step of this activity and subject in the run. The first has no number.
    #[must_use]
    pub fn nth(&self, n: u32) -> Self {
        if n < 2 { self.clone() } else { Self(format!("{self}#{n}")) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A step of an older version is identified by its number.
impl From<Seq> for StepId {
    fn from(seq: Seq) -> Self {
        Self(seq.to_string())
    }
}

/// From the form that the journal holds.
impl From<String> for StepId {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A number that grows each time that a process takes over a run. Every write names its fence, so that a process which
/// lost its lease can change nothing more (Kleppmann, "How to do distributed locking", 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(i64);

impl Fence {
    /// The fence with this number, from the journal.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The plain number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The fence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The idempotency token of one step. It is the same after a crash, so that a repeated request is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryToken(String);

/// Scopes our tokens, so that they never equal another program's UUIDv5 of the same name.
const TOKEN_NAMESPACE: Uuid = Uuid::from_u128(0x6f0a_5f1c_2f43_4c8e_9d0e_7b1a_51e2_c0de);

impl RetryToken {
    /// The token of a step of `run`. `purpose` distinguishes the step's own request from its compensation's.
    /// `generation` distinguishes a request from the next one after the server has invalidated the token.
    pub fn of(run: RunId, step: &StepId, purpose: &str, generation: u32) -> Self {
        let name = format!("{run}/{step}/{purpose}/{generation}");
        Self(Uuid::new_v5(&TOKEN_NAMESPACE, name.as_bytes()).to_string())
    }

    /// The token as it is sent: 36 characters, of the 64 that are allowed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RetryToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A thing that a run holds while it is active, so that two runs never change the same thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(String);

/// The kind of a claim, which precedes its digest.
const CLAIM: &str = "deployment";
const CLAIM_MARK: char = '#';

impl Target {
    /// The length of a claim's digest in hexadecimal characters.
    pub const CLAIM_DIGEST_LENGTH: usize = 16;

    /// A target of a kind such as `folder`, with a name that is unique within the kind.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(format!("{kind}:{name}"))
    }

    /// What a run holds before it knows what it will change: a name for people, and the digest of what is known then. A
    /// claim keeps two runs of one deployment apart, and does not say that anything was changed.
    pub fn claim(name: &str, digest: &str) -> Self {
        Self::new(CLAIM, &format!("{name}{CLAIM_MARK}{digest}"))
    }

    /// Whether this is a claim. Older versions made it of the name alone.
    pub fn is_claim(&self) -> bool {
        self.0.split_once(':').is_some_and(|(kind, _)| kind == CLAIM)
    }

    /// The name and the digest in a claim. The digest distinguishes two deployments with the same name.
    fn claimed(&self) -> Option<(&str, &str)> {
        let is_digest = |text: &str| {
            text.len() == Self::CLAIM_DIGEST_LENGTH
                && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        };
        self.0.rsplit_once(CLAIM_MARK).filter(|(_, digest)| self.is_claim() && is_digest(digest))
    }

    /// Whether this is a claim with a digest, which distinguishes two deployments with the same name.
    pub fn is_whole_claim(&self) -> bool {
        self.claimed().is_some()
    }

    /// The target as the journal holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A claim's digest means nothing to a person.
        formatter.write_str(self.claimed().map_or(&self.0, |(shown, _)| shown))
    }
}

impl From<String> for Target {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_after_a_crash_and_differs_in_every_part() {
        let run: RunId = "7b0a6b1e-0f0e-4f0a-8f83-0d5f6c1a2b3c".parse().expect("a UUID");
        let step = StepId::of("create-instance", None);
        let token = RetryToken::of(run, &step, "execute", 0);
        assert_eq!(token, RetryToken::of(run, &step, "execute", 0));
        for other in [
            RetryToken::of(RunId::random(), &step, "execute", 0),
            RetryToken::of(run, &step.nth(2), "execute", 0),
            RetryToken::of(run, &StepId::of("create-instance", Some("2")), "execute", 0),
            RetryToken::of(run, &step, "undo", 0),
            RetryToken::of(run, &step, "execute", 1),
        ] {
            assert_ne!(token, other);
        }
        assert!(token.as_str().len() <= 64);
    }

    #[test]
    fn a_step_is_called_by_what_it_does_and_one_of_before_by_its_number() {
        let step = StepId::of("drain-backend", Some("http/10.0.0.2:80"));
        assert_eq!(step.to_string(), "drain-backend/http/10.0.0.2:80");
        assert_eq!(step.nth(1), step);
        assert_eq!(step.nth(2).to_string(), "drain-backend/http/10.0.0.2:80#2");
        assert_eq!(StepId::of("create-instance", None).as_str(), "create-instance");
        assert_eq!(StepId::from(Seq::FIRST).as_str(), "1");
    }

    #[test]
    fn a_claim_is_shown_by_its_name() {
        let claim = Target::claim("web#1", "1f3a9c021f3a9c02");
        assert_eq!(claim.as_str(), "deployment:web#1#1f3a9c021f3a9c02");
        assert_eq!(claim.to_string(), "deployment:web#1");
        assert!(claim.is_whole_claim());
        let before = Target::new("deployment", "web#1");
        assert_eq!(before.to_string(), "deployment:web#1");
        assert!(before.is_claim() && !before.is_whole_claim());
        assert!(!Target::new("backend-set", "lb/a#b").is_claim());
    }

    #[test]
    fn a_selector_is_latest_or_hexadecimal() {
        assert_eq!("latest".parse::<RunSelector>().expect("a selector"), RunSelector::Latest);
        assert_eq!("7B0A".parse::<RunSelector>().expect("a selector"), RunSelector::Prefix("7b0a".into()));
        for wrong in ["", "web", "7b0a%", &"a".repeat(37)] {
            assert!(wrong.parse::<RunSelector>().is_err(), "{wrong:?}");
        }
    }
}

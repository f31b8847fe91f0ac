//! What the engine does to a run for a trial (`trials` drives them).

use crate::run::Seq;

/// What is done to a run besides driving it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trial {
    /// Nothing.
    #[default]
    None,
    /// This step fails for good instead of being carried out.
    FailAt(Seq),
    /// Every activity, every adoption and every compensation is carried out twice.
    Twice,
}

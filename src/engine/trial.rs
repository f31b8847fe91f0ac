//! What the engine does to a run for a trial (`trials` drives them).

use crate::run::{Failure, Seq};

/// What is done to a run besides driving it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trial {
    /// Nothing.
    #[default]
    None,
    /// This step fails for good instead of being carried out.
    FailAt(Seq),
    /// Every activity, every adoption and every compensation is carried out twice.
    Twice,
    /// The first answer of everything is thrown away: each activity and each compensation is carried out, and goes on
    /// as an attempt that failed.
    AnswerLost,
    /// At this instant, counted from 0, nothing goes on any more, as in a process that is killed. For
    /// [`Trials`](super::Trials), which drop the run then.
    CrashAt(u32),
}

/// What an attempt fails with whose answer is thrown away.
pub(super) fn answer_lost(activity: &str) -> Failure {
    Failure::transient(activity, "its answer was lost, for a trial")
}

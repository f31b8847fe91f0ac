//! What the engine does to a run in a trial (`trials` drives them).

use crate::run::{Failure, Seq};

/// Something to do to a run besides driving it.
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
    /// The first answer of every activity and every compensation is thrown away: it is carried out, and its attempt
    /// counts as failed.
    AnswerLost,
    /// At this instant, counted from 0, everything stops, as in a process that is killed. For
    /// [`Trials`](super::Trials), which then drop the run.
    CrashAt(u32),
}

/// The failure of an attempt whose answer is thrown away.
pub(super) fn answer_lost(activity: &str) -> Failure {
    Failure::transient(activity, "its answer was lost, for a trial")
}

//! The parts of the benchmark, each of which fills a section of the page.

use crate::{crowd, growth, history, others, program, resume, rollouts, step};

/// One part, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Step,
    Growth,
    Resume,
    Others,
    Crowd,
    History,
    Program,
    Rollouts,
}

impl Part {
    pub(crate) const ALL: [Self; 8] = [
        Self::Step,
        Self::Growth,
        Self::Resume,
        Self::Others,
        Self::Crowd,
        Self::History,
        Self::Program,
        Self::Rollouts,
    ];

    /// Those that measure the library and its peers. The others need the program, which `benches/run` builds.
    pub(crate) const OF_THE_LIBRARY: [Self; 5] =
        [Self::Step, Self::Growth, Self::Resume, Self::Others, Self::Crowd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Growth => "growth",
            Self::Resume => "resume",
            Self::Others => "others",
            Self::Crowd => "crowd",
            Self::History => "history",
            Self::Program => "program",
            Self::Rollouts => "rollouts",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Step => "A checkpointed step",
            Self::Growth => "The ten-thousandth step",
            Self::Resume => "From `kill -9` to the first new step",
            Self::Others => "The same beside other runs",
            Self::Crowd => "A hundred at once",
            Self::History => "`history`",
            Self::Program => "The program",
            Self::Rollouts => "Rollouts",
        }
    }

    /// The command that measures it.
    pub(crate) const fn command(self) -> &'static str {
        match self {
            Self::Step => "cargo bench --bench peers -- step",
            Self::Growth => "cargo bench --bench peers -- growth",
            Self::Resume => "cargo bench --bench peers -- resume",
            Self::Others => "cargo bench --bench peers -- others",
            Self::Crowd => "cargo bench --bench peers -- crowd",
            Self::History => "benches/run history",
            Self::Program => "benches/run program",
            Self::Rollouts => "benches/run rollouts",
        }
    }

    pub(crate) fn measure(self) {
        match self {
            Self::Step => step::measure(),
            Self::Growth => growth::measure(),
            Self::Resume => resume::measure(),
            Self::Others => others::measure(),
            Self::Crowd => crowd::measure(),
            Self::History => history::measure(),
            Self::Program => program::measure(),
            Self::Rollouts => rollouts::measure(),
        }
    }
}

//! The arguments that say how a run is driven, or what a person has done to it.

use clap::{Args, ValueEnum};

use crate::config::Until;
use crate::journal::Claim;
use crate::run::{Keep, Resolution};

/// What is done about the lease of another process.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct LeaseArgs {
    /// Take the run from the process that holds it, which is gone but cannot be seen to be, as on another machine
    #[arg(long)]
    force_lease: bool,
}

impl From<LeaseArgs> for Claim {
    fn from(args: LeaseArgs) -> Self {
        if args.force_lease { Self::Disowns } else { Self::Respects }
    }
}

/// What a process does where only a person lets its run go on.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct HoldArgs {
    /// Wait at a gate that only a person opens, also without a terminal; otherwise the run is left suspended there
    #[arg(long)]
    pub(in crate::cli) hold: bool,
}

/// How far a run goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum UntilArg {
    /// To its end
    End,
    /// Until the new version is registered, healthy and drained
    Registered,
}

impl From<UntilArg> for Until {
    fn from(argument: UntilArg) -> Self {
        match argument {
            UntilArg::End => Self::End,
            UntilArg::Registered => Self::Registered,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ResolutionArg {
    Done,
    Undone,
}

impl From<ResolutionArg> for Resolution {
    fn from(argument: ResolutionArg) -> Self {
        match argument {
            ResolutionArg::Done => Self::Done,
            ResolutionArg::Undone => Self::Undone,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KeepArg {
    /// The new version: the old one is taken away, and the run has succeeded
    New,
    /// The old version: the new one is taken away, and the run is rolled back
    Old,
}

impl From<KeepArg> for Keep {
    fn from(argument: KeepArg) -> Self {
        match argument {
            KeepArg::New => Self::New,
            KeepArg::Old => Self::Old,
        }
    }
}

//! The contenders: programs that understand the same commands, so that each is measured in the same way.
//!
//! `steps FILE N` runs `N` steps and prints the times between them; `hang FILE N` runs `N - 1` steps and hangs in the next;
//! `resume FILE` goes on with what hung, and hangs in the first step that it executes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// deployctl's engine.
    Ours,
    /// Nothing but one commit a step.
    OneCommit,
    /// Nothing but two commits a step.
    TwoCommits,
    /// steno, with a store in SQLite.
    Steno,
}

impl Contender {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "deployctl",
            Self::OneCommit => "one raw commit",
            Self::TwoCommits => "two raw commits",
            Self::Steno => "steno",
        }
    }

    fn command(self, args: &[&str]) -> Command {
        let own = || {
            let mut own = Command::new(std::env::current_exe().expect("this program"));
            own.arg("child").arg(match self {
                Self::Ours | Self::Steno => "ours",
                Self::OneCommit => "one-commit",
                Self::TwoCommits => "two-commits",
            });
            own
        };
        let mut command = if self == Self::Steno { Command::new(steno()) } else { own() };
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// The times between the steps that a child executed.
    pub(crate) fn gaps(self, args: &[&str]) -> Vec<Duration> {
        let ran = self.command(args).output().expect("it starts");
        assert!(ran.status.success(), "{self:?} {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        gaps_in(&String::from_utf8_lossy(&ran.stdout))
    }

    /// Starts a child that runs until it ends by itself.
    pub(crate) fn spawn(self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stderr(Stdio::null()).spawn().expect("it starts")
    }

    /// Starts a child, and returns it when it hangs in a step.
    pub(crate) fn hanging(self, args: &[&str]) -> Child {
        let mut child = self.command(args).spawn().expect("it starts");
        let mut said = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("it can be read");
        assert_eq!(said.trim(), "here", "{self:?} {args:?}");
        child
    }
}

/// Kills a child with SIGKILL.
pub(crate) fn kill(mut child: Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it is reaped");
}

/// What a child printed until its end, and whether it succeeded.
pub(crate) fn ended(mut child: Child) -> (Option<i32>, Vec<Duration>) {
    let mut said = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut said).expect("it can be read");
    (child.wait().expect("it is reaped").code(), gaps_in(&said))
}

fn gaps_in(said: &str) -> Vec<Duration> {
    let nanos = said.lines().map(|line| line.parse().expect("a number of nanoseconds"));
    nanos.map(Duration::from_nanos).collect()
}

fn steno() -> PathBuf {
    steno_folder().join("release/steno-peer")
}

fn steno_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("steno")
}

/// Builds the program that runs steno.
pub(crate) fn build_steno() {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/steno/Cargo.toml"))
        .arg("--target-dir")
        .arg(steno_folder())
        .status();
    assert!(built.expect("cargo starts").success(), "steno can be built");
}

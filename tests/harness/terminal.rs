//! Commands on a terminal, which `script` makes.

use std::io::Write as _;
use std::process::Stdio;

use super::{Ran, World, hearing_hang_ups};

impl World {
    /// Runs a command on a terminal on which `answer` is typed. Both streams are shown there, so stdout has everything.
    pub(crate) fn on_a_terminal(&self, args: &[&str], answer: &str, variables: &[(&str, &str)]) -> Ran {
        let inside = [&[env!("CARGO_BIN_EXE_deployctl")], args].concat().join(" ");
        let mut terminal = hearing_hang_ups("script")
            .args(["--quiet", "--return", "--command", &inside, "/dev/null"])
            .env_clear()
            .envs([("HOME", self.path("")), ("PATH", "/usr/bin:/bin".into()), ("TERM", "xterm".into())])
            .env("DEPLOYCTL_ENDPOINT", self.url())
            .envs(variables.iter().copied())
            .current_dir(self.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) is there");
        // If the command asks nothing, it does not read the answer.
        drop(terminal.stdin.as_mut().expect("piped").write_all(answer.as_bytes()));
        Ran::of(&terminal.wait_with_output().expect("ends"))
    }
}

//! Runs the program in a test, and checks its result.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The result of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A kill by a signal counts as a code of its own.
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Fails the test unless the command ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("no JSON: {error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }
}

pub(super) fn command(home: &Path) -> Command {
    let mut command = hearing_hang_ups(env!("CARGO_BIN_EXE_deployctl"));
    command.env_clear().env("HOME", home).env("USER", "ann").current_dir(home).stdin(Stdio::null());
    command
}

/// The program with the SIGHUP handling of a terminal, whatever the shell that started the tests has set.
pub(crate) fn hearing_hang_ups(program: &str) -> Command {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("what is ignored");
    if !ignored.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']) {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal=HUP", program]);
    command
}

//! What every contender's steps do: they say when they were executed, and nothing else.
//!
//! `benches/steno` uses this file too, so it needs only the standard library.

use std::sync::Mutex;
use std::time::Instant;

/// The output of a step.
pub(crate) const OUTPUT: &str =
    "ocid1.computecontainerinstance.oc1.eu-frankfurt-1.abcdefghijklmnopqrstuvwxyz0123";

/// The instants at which steps were executed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    instants: Mutex<Vec<Instant>>,
    /// The step that says so and never ends, counted from one.
    hangs_in: Option<usize>,
}

impl Told {
    /// The step with this number, of those that this process executes, prints `here` and never ends.
    pub(crate) fn hanging_in(n: usize) -> Self {
        Self { hangs_in: Some(n), ..Self::default() }
    }

    /// Executes a step.
    #[expect(clippy::disallowed_methods, reason = "measures the machine itself")]
    pub(crate) async fn execute(&self) -> String {
        let n = {
            let mut instants = self.instants.lock().expect("no panic holds it");
            instants.push(Instant::now());
            instants.len()
        };
        if self.hangs_in == Some(n) {
            say("here");
            std::future::pending::<()>().await;
        }
        OUTPUT.to_owned()
    }

    /// Prints the times between a step and the next, in nanoseconds.
    pub(crate) fn print_gaps(&self) {
        for pair in self.instants.lock().expect("no panic holds it").windows(2) {
            say(&(pair[1] - pair[0]).as_nanos().to_string());
        }
    }
}

#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
fn say(line: &str) {
    println!("{line}");
}

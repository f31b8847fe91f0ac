//! Crash points: named instants at which a test kills this very process, or sends it another signal. Only tests compile
//! them in (feature `failpoints`); in every other build these functions are empty.
//!
//! A point is named `STEP/INSTANT`, such as `5 create-instance/begun`. `FAILPOINTS` says what happens there, in the
//! words of the `fail` crate: `5 create-instance/begun=return` kills the process when it comes there, `=return(INT INT)`
//! interrupts it twice, `=return(JUMP-3600)` sets its clock back by an hour, `any` names every point, `commit` each commit of the journal, and `visited=return(FILE)` writes the names of those that were passed.

#[cfg(feature = "failpoints")]
pub use armed::{arm, at, committed, skew, within};

#[cfg(not(feature = "failpoints"))]
pub use idle::{at, committed, skew, within};

#[cfg(not(feature = "failpoints"))]
mod idle {
    use std::fmt::Display;

    /// Names the step in which the points that follow lie.
    pub fn within(_step: impl Display) {}

    /// A crash point.
    pub fn at(_instant: impl Display) {}

    /// The crash point after each commit of the journal.
    pub const fn committed() {}

    /// How far the wall clock is off.
    pub const fn skew() -> chrono::TimeDelta {
        chrono::TimeDelta::zero()
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fmt::Display;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use rustix::process::{Signal, getpid, kill_process};

    // A process drives one run, so the step in progress is one for the whole of it.
    static STEP: Mutex<String> = Mutex::new(String::new());
    // How many seconds the clock has jumped.
    static JUMPED: AtomicI64 = AtomicI64::new(0);

    /// Reads `FAILPOINTS`; what it says holds until the guard is dropped.
    pub fn arm() -> fail::FailScenario<'static> {
        fail::FailScenario::setup()
    }

    /// Names the step in which the points that follow lie.
    pub fn within(step: impl Display) {
        *STEP.lock().unwrap_or_else(PoisonError::into_inner) = step.to_string();
    }

    /// A crash point.
    pub fn at(instant: impl Display) {
        let step = STEP.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = format!("{step}/{instant}");
        note(&name);
        signal(&name);
        signal("any");
    }

    /// The crash point after each commit of the journal.
    pub fn committed() {
        signal("commit");
    }

    /// How far the wall clock is off: by what was jumped, or from the beginning by `clock=return(-3600)`.
    pub fn skew() -> chrono::TimeDelta {
        fail::fail_point!("clock", |seconds| {
            let seconds = seconds.and_then(|seconds| seconds.parse().ok());
            chrono::TimeDelta::seconds(seconds.expect("clock=return(SECONDS)"))
        });
        chrono::TimeDelta::seconds(JUMPED.load(Ordering::Relaxed))
    }

    fn note(name: &str) {
        fail::fail_point!("visited", |file| {
            let file = file.expect("visited=return(FILE)");
            let opened = OpenOptions::new().create(true).append(true).open(file);
            writeln!(opened.expect("the file can be opened"), "{name}").expect("the file can be written");
        });
    }

    fn signal(name: &str) {
        fail::fail_point!(name, |signals| {
            for signal in signals.as_deref().unwrap_or("KILL").split(' ') {
                if let Some(seconds) = signal.strip_prefix("JUMP") {
                    JUMPED.store(seconds.parse().expect("JUMP is followed by seconds"), Ordering::Relaxed);
                    continue;
                }
                let signal = match signal {
                    "KILL" => Signal::KILL,
                    "STOP" => Signal::STOP,
                    "INT" => Signal::INT,
                    "TERM" => Signal::TERM,
                    "HUP" => Signal::HUP,
                    other => panic!("{name}=return({other}) names no signal"),
                };
                kill_process(getpid(), signal).expect("a process may signal itself");
            }
        });
    }
}

//! Crash points: named instants at which a test kills this process, or sends it another signal. Only tests compile them
//! in (feature `failpoints`); in every other build these functions are empty.
//!
//! A point is named `STEP/INSTANT`, such as `create-instance/begun`. If several steps have one name, the subject, or
//! the beginning of it, distinguishes them. For a wait, the change that it follows distinguishes it:
//! `drain-backend[http/10.0.0.2:80]/begun`, `drain-backend[http]/begun`, `await-work-request[drain-backend]/waiting`.
//!
//! `FAILPOINTS` says what happens at a point, in the syntax of the `fail` crate:
//! - `create-instance/begun=return` kills the process when it reaches the point.
//! - `=return(INT INT)` interrupts it twice.
//! - `=return(JUMP-3600)` sets its clock back by an hour.
//! - `=return(STOP JUMP40)` lets 40 seconds pass while it is stopped.
//! - `any` names every point, and `commit` names each commit of the journal.
//! - `clock=return(40)` sets the clock ahead from the beginning.
//! - `visited=return(FILE)` writes the names of the points that were passed.
//!
//! A name that is no point is an error: at once if there is no such instant, and at the end if the process never
//! reached the point.

#[cfg(feature = "failpoints")]
pub use armed::{Armed, arm, at, committed, skew, within};

/// The role of a step among others. It is a part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The step changes something, or comes before all changes.
    Itself,
    /// The step waits for the result of a change.
    Following,
    /// The step takes a change back.
    Undo,
}

#[cfg(not(feature = "failpoints"))]
pub use idle::{at, committed, skew, within};

#[cfg(not(feature = "failpoints"))]
mod idle {
    use std::fmt::Display;

    use super::Place;

    /// Names the step of the points that follow.
    pub const fn within(_step: &str, _subject: Option<&str>, _place: Place) {}

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
    use std::collections::BTreeSet;
    use std::fmt::Display;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Place;

    /// Every instant of a step. The instants of a request follow the name of its operation.
    const INSTANTS: [&str; 15] = [
        "not started",
        "started",
        "not taken",
        "taken",
        "not begun",
        "begun",
        "waiting",
        "waiting to try again",
        "refused, not failed",
        "not failed",
        "failed",
        "done, not completed",
        "completed",
        "not finished",
        "finished",
    ];
    const OF_A_REQUEST: [&str; 2] = [" unsent", " unread"];
    /// Points outside of any step.
    const ELSEWHERE: [&str; 4] = ["any", "commit", "clock", "visited"];

    /// The time between one signal and the next.
    const BETWEEN_SIGNALS: Duration = Duration::from_millis(3);

    // Whether `FAILPOINTS` was read. Until then every point costs nothing, so that what tests and benchmarks measure is
    // not the names of points.
    static IS_ARMED: AtomicBool = AtomicBool::new(false);
    // A process under test by crash points drives one run, so the whole process has one step in progress. These are its
    // names, the shortest first. In a process that drives several runs at once, points mean nothing and must not be
    // named.
    static STEP: Mutex<Vec<String>> = Mutex::new(Vec::new());
    // The last change, by name and subject.
    static CHANGE: Mutex<Option<(String, String)>> = Mutex::new(None);
    // The points of `FAILPOINTS` that were passed.
    static PASSED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    // How many seconds the clock has jumped.
    static JUMPED: AtomicI64 = AtomicI64::new(0);

    /// The settings of `FAILPOINTS`, which hold until this is dropped.
    #[derive(Debug)]
    pub struct Armed(fail::FailScenario<'static>);

    /// Reads `FAILPOINTS`.
    ///
    /// # Panics
    /// When it cannot be read, or names an impossible point.
    pub fn arm() -> Armed {
        let armed = Armed(fail::FailScenario::setup());
        IS_ARMED.store(true, Ordering::Relaxed);
        for (name, _) in fail::list() {
            let instant =
                name.split_once('/').and_then(|_| name.rsplit_once('/')).map(|(_, instant)| instant);
            let is_known = instant.map_or(ELSEWHERE.contains(&name.as_str()), is_instant);
            assert!(is_known, "FAILPOINTS names `{name}`, which is not a crash point");
        }
        armed
    }

    impl Armed {
        /// Makes sure, at the end of the process, that the process reached each point that `FAILPOINTS` names.
        ///
        /// # Panics
        /// When it did not: the test that named the point has not tested what it claims.
        pub fn disarm(self) {
            let passed = lock(&PASSED);
            let missed: Vec<String> = fail::list()
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| !passed.contains(name))
                .collect();
            assert!(missed.is_empty(), "FAILPOINTS names `{}`, which was not passed", missed.join("`, `"));
            IS_ARMED.store(false, Ordering::Relaxed);
            self.0.teardown();
        }
    }

    fn is_armed() -> bool {
        IS_ARMED.load(Ordering::Relaxed)
    }

    fn is_instant(instant: &str) -> bool {
        INSTANTS.contains(&instant) || OF_A_REQUEST.iter().any(|end| instant.ends_with(end))
    }

    fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
        what.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the step of the points that follow.
    pub fn within(step: &str, subject: Option<&str>, place: Place) {
        if !is_armed() {
            return;
        }
        let step = if place == Place::Undo { format!("undo {step}") } else { step.to_owned() };
        let mut names = vec![step.clone()];
        if let Some(subject) = subject {
            let mut change = lock(&CHANGE);
            let follows = match &*change {
                Some((change, of)) if place == Place::Following && of == subject => Some(change),
                _ => None,
            };
            names.extend(follows.map(|change| format!("{step}[{change}]")));
            let follows = follows.map(|change| format!("{change} ")).unwrap_or_default();
            // A backend's address differs in each sandbox, but its set does not.
            let set = subject.rsplit_once('/').map(|(set, _)| set);
            names.extend(
                set.into_iter().chain([subject]).map(|subject| format!("{step}[{follows}{subject}]")),
            );
            if place == Place::Itself {
                *change = Some((step, subject.to_owned()));
            }
        }
        *lock(&STEP) = names;
    }

    /// A crash point.
    ///
    /// # Panics
    /// When `FAILPOINTS` could not name the instant.
    pub fn at(instant: impl Display) {
        if !is_armed() {
            return;
        }
        let instant = instant.to_string();
        assert!(is_instant(&instant), "`{instant}` is missing in the list of the instants");
        let names: Vec<String> = lock(&STEP).iter().map(|step| format!("{step}/{instant}")).collect();
        note(&names);
        for name in &names {
            signal(name);
        }
        signal("any");
    }

    /// The crash point after each commit of the journal.
    pub fn committed() {
        if is_armed() {
            note(&["commit".to_owned()]);
            signal("commit");
        }
    }

    /// How far the wall clock is off: by its jumps, or from the beginning by `clock=return(-3600)`.
    pub fn skew() -> chrono::TimeDelta {
        if !is_armed() {
            return chrono::TimeDelta::zero();
        }
        passed("clock");
        fail::fail_point!("clock", |seconds| {
            let seconds = seconds.and_then(|seconds| seconds.parse().ok());
            chrono::TimeDelta::seconds(seconds.expect("clock=return(SECONDS)"))
        });
        chrono::TimeDelta::seconds(JUMPED.load(Ordering::Relaxed))
    }

    /// Remembers that a point was passed, before anything happens there.
    fn passed(name: &str) {
        lock(&PASSED).insert(name.to_owned());
    }

    fn note(names: &[String]) {
        passed("visited");
        fail::fail_point!("visited", |file| {
            let file = file.expect("visited=return(FILE)");
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let line = names.join("\t");
            writeln!(opened.expect("the file can be opened"), "{line}").expect("the file can be written");
        });
    }

    fn signal(name: &str) {
        passed(name);
        fail::fail_point!(name, |signals| {
            let mut is_first = true;
            let mut rest = Vec::new();
            for word in signals.as_deref().unwrap_or("KILL").split(' ') {
                if let Some(seconds) = word.strip_prefix("JUMP") {
                    JUMPED.store(seconds.parse().expect("JUMP is followed by seconds"), Ordering::Relaxed);
                } else if std::mem::take(&mut is_first) {
                    send(known(name, word));
                } else {
                    rest.push(known(name, word));
                }
            }
            // Two signals that come at once count as one. The others come while the process handles the first.
            if !rest.is_empty() {
                std::thread::spawn(move || {
                    for signal in rest {
                        std::thread::sleep(BETWEEN_SIGNALS);
                        send(signal);
                    }
                });
            }
        });
    }

    fn known(name: &str, signal: &str) -> Signal {
        match signal {
            "KILL" => Signal::KILL,
            "STOP" => Signal::STOP,
            "INT" => Signal::INT,
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            other => panic!("{name}=return({other}) names no signal"),
        }
    }

    fn send(signal: Signal) {
        kill_process(getpid(), signal).expect("a process may signal itself");
    }
}

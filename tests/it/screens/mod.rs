//! Each command, and each state of a run, as whole screens: stdout, stderr (its lines are marked) and the exit code. A
//! screen that changes is looked at: `INSTA_UPDATE=always cargo test --test it -- screens` writes them anew.

mod ends;
mod help;
mod looks;
mod runs;

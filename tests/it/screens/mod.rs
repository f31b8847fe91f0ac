//! Each command, and each state of a run, as whole screens: stdout, stderr (its lines are marked) and the exit code. Review a
//! screen that changes: `INSTA_UPDATE=always cargo test --test it -- screens` writes the screens anew.

mod ends;
mod help;
mod looks;
mod printed;
mod questions;
mod revisions;
mod runs;

//! The binary: arguments in, exit code out.

use deployctl::cli::{Env, Exit, run};

fn main() -> Exit {
    run(std::env::args_os(), &Env::of_the_process())
}

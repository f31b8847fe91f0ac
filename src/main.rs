//! The binary: arguments in, exit code out.

use deployctl::cli::{Env, Exit, run};

fn main() -> Exit {
    #[cfg(feature = "failpoints")]
    let _armed = deployctl::crash::arm();
    run(std::env::args_os(), &Env::of_the_process())
}

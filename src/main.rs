//! The binary: arguments in, exit code out.

use deployctl::cli::{Exit, Io, run};
use deployctl::env::Env;

fn main() -> Exit {
    #[cfg(feature = "failpoints")]
    let armed = deployctl::crash::arm();
    let exit = run(std::env::args_os(), &Env::of_the_process(), Io::of_the_process());
    #[cfg(feature = "failpoints")]
    armed.disarm();
    exit
}

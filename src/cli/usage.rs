//! Reports a command line that cannot be understood, to people and to scripts.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use serde_json::json;

use super::args::Cli;
use super::exit::Exit;
use super::io::{Io, Stream};
use super::problem::Kind;
use super::ui::{is_colored, json_line};
use crate::env::Env;

/// In how many letters a word may differ from the suggested one.
const FEW: usize = 2;

/// Reports what is wrong, or prints the help that was asked for.
pub(super) fn refused(mut error: Error, args: &[OsString], env: &Env, io: &Io) -> Exit {
    // Help and version go to stdout, and are not errors.
    if !error.use_stderr() {
        print(&error, env, &io.out);
        return Exit::Done;
    }
    if error.kind() == ErrorKind::InvalidSubcommand {
        suggest(&mut error);
    }
    if wants_json(args) {
        let text = error.render().to_string();
        // The message is followed by the usage and by where to find more.
        let (message, more) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.trim().trim_start_matches("error: ");
        let error = json!({"error": {"kind": Kind::Usage, "message": message, "hint": more.trim()}});
        io.out.say(&json_line(&error));
    } else {
        print(&error, env, &io.err);
    }
    Exit::Usage
}

fn print(error: &Error, env: &Env, to: &Stream) {
    let text = error.render();
    let text = if is_colored(to, env) { text.ansi().to_string() } else { text.to_string() };
    to.say(text.trim_end_matches('\n'));
}

/// Suggests the command that the user probably meant, judging by letters that were exchanged, lost or added. Another
/// word of the same length is not suggested.
fn suggest(error: &mut Error) {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return };
    let command = Cli::command();
    let near = command.get_subcommands().map(|known| known.get_name().to_owned());
    let near = near.map(|known| (strsim::damerau_levenshtein(typed, &known), known));
    let nearest = near.filter(|(distance, _)| *distance <= FEW).min().map(|(_, known)| known);
    error.remove(ContextKind::SuggestedSubcommand);
    if let Some(nearest) = nearest {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![nearest]));
    }
}

/// Whether the arguments ask for JSON, if they cannot be parsed otherwise.
fn wants_json(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    args.iter().any(|arg| arg == "--output=json") || args.windows(2).any(|two| two == ["--output", "json"])
}

//! `key rotate`: reseals the journal with another key.

use serde_json::json;

use super::args::KeyCommand;
use super::exit::Exit;
use super::problem::{Kind, Report};
use super::session::Session;
use super::ui::plural;
use super::variables::given_key;
use crate::journal::{Journal, RotateError};

pub(super) async fn run(session: &Session<'_>, command: &KeyCommand) -> Result<Exit, Report> {
    match command {
        KeyCommand::Rotate => rotate(session).await,
    }
}

async fn rotate(session: &Session<'_>) -> Result<Exit, Report> {
    let path = session.journal_path()?;
    let new = given_key(session.env, "DEPLOYCTL_JOURNAL_NEW_KEY");
    let key = session.key();
    let rotating = Journal::rotate_key(&path, &key, new, session.clock);
    let rotated = session.beside_the_lock(&path, rotating).await?;
    for run in &rotated.unopened {
        session.ui.note(&format!(
            "warning: run {run} is sealed with a key that was lost before: it stays as it is, and cannot be taken up"
        ));
    }
    if session.ui.is_json {
        session.ui.json(&json!({"journal": path, "runs": rotated.runs, "key_file": rotated.key_file}));
        return Ok(Exit::Done);
    }
    let runs = plural(rotated.runs, "run");
    let next = match &rotated.key_file {
        Some(file) => format!("  key    {}", file.display()),
        None => "  next   put DEPLOYCTL_JOURNAL_NEW_KEY in the place of DEPLOYCTL_JOURNAL_KEY".to_owned(),
    };
    session.ui.out(&format!("the journal {} is sealed with a new key ({runs})\n{next}", path.display()));
    Ok(Exit::Done)
}

impl From<RotateError> for Report {
    fn from(error: RotateError) -> Self {
        let message = error.to_string();
        match error {
            RotateError::NoNewKey { .. } => Self::usage(message).hint(
                "set DEPLOYCTL_JOURNAL_NEW_KEY, for instance to what `openssl rand -base64 32` prints, and keep it: \
                 it is the journal's key from then on",
            ),
            RotateError::SameKey { .. } => Self::usage(message).hint("nothing was changed"),
            RotateError::NoJournal { .. } => Self::usage(message).hint("name the journal with --journal"),
            RotateError::Held { run, .. } => Self {
                kind: Kind::Held,
                message,
                hint: Some(format!("wait for its end; `deployctl watch {}` follows it", run.short())),
                exit: Exit::Refused,
            },
            RotateError::Journal(error) => error.into(),
        }
    }
}

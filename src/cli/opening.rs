//! Opening the journal for a command, and what is said when that takes long, or the journal is not what it should be.

use std::path::{Path, PathBuf};

use super::problem::Report;
use super::session::{Session, TICK};
use super::variables::given_key;
use crate::journal::{Claim, Journal, KeySource};
use crate::run::{RunId, RunSelector};

impl Session<'_> {
    /// Where the journal is.
    pub(super) fn journal_path(&self) -> Result<PathBuf, Report> {
        if let Some(path) = &self.global.journal {
            return Ok(path.clone());
        }
        let state = self.env.get("XDG_STATE_HOME").filter(|folder| Path::new(folder).is_absolute());
        let folder = match (state, self.env.home()) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) => home.join(".local/state"),
            (None, None) => {
                return Err(Report::usage("there is no home folder for the journal")
                    .hint("name a file with --journal"));
            }
        };
        Ok(folder.join("deployctl/journal.db"))
    }

    /// Where the journal's key comes from.
    pub(super) fn key(&self) -> KeySource {
        KeySource { given: given_key(self.env, "DEPLOYCTL_JOURNAL_KEY") }
    }

    /// Opens the journal, making it where there is none.
    pub(super) async fn journal(&self) -> Result<Journal, Report> {
        let path = self.journal_path()?;
        let journal = self.beside_the_lock(&path, Journal::open(&path, self.key(), self.clock)).await?;
        self.say_of_before(&journal);
        self.say_who_has_a_hand_on(&journal);
        Ok(journal)
    }

    /// Opens the journal that must be there for a run to be found in it.
    pub(super) async fn existing_journal(&self, selector: &RunSelector) -> Result<Journal, Report> {
        self.journal_to_drive().await?.ok_or_else(|| self.no_journal(&selector.to_string()))
    }

    /// Says once that runs of before are taken as they stand.
    fn say_of_before(&self, journal: &Journal) {
        let n = journal.n_of_before();
        if n > 0 {
            let runs = super::ui::plural(n, "run");
            self.ui.warn(&format!(
                "the journal has {runs} of a deployctl that did not authenticate what it wrote: they are taken as they \
                 stand, and from now on a change by somebody else is refused"
            ));
        }
    }

    /// Opens the journal to take a run of it up, if there is one.
    pub(super) async fn journal_to_drive(&self) -> Result<Option<Journal>, Report> {
        let path = self.journal_path()?;
        let opening = Journal::open_existing(&path, self.key(), self.clock);
        let journal = self.beside_the_lock(&path, opening).await?;
        if let Some(journal) = &journal {
            self.say_of_before(journal);
            self.say_who_has_a_hand_on(journal);
        }
        Ok(journal)
    }

    /// Opens the journal that must be there to look at a run, which needs no key.
    pub(super) async fn journal_to_look(&self, selector: &RunSelector) -> Result<Journal, Report> {
        self.journal_if_any().await?.ok_or_else(|| self.no_journal(&selector.to_string()))
    }

    /// What is said when the journal that was named is not there.
    pub(super) fn no_such_journal(&self) -> Report {
        match self.journal_path() {
            Ok(path) => Report::usage(format!("there is no journal {}", path.display()))
                .hint("--journal and DEPLOYCTL_JOURNAL name it; `deployctl start` makes one"),
            Err(report) => report,
        }
    }

    /// What is said when a run is looked for and there is no journal.
    pub(super) fn no_journal(&self, wanted: &str) -> Report {
        let path = match self.journal_path() {
            Ok(path) => path,
            Err(report) => return report,
        };
        Report::usage(format!("no run matches `{wanted}`: there is no journal {}", path.display()))
            .hint("name the journal with --journal")
    }

    /// Opens the journal to look at it, if there is one.
    pub(super) async fn journal_if_any(&self) -> Result<Option<Journal>, Report> {
        let path = self.journal_path()?;
        let opening = Journal::open_to_look(&path, self.key(), self.clock);
        let journal = self.beside_the_lock(&path, opening).await?;
        if let Some(journal) = &journal {
            self.say_who_has_a_hand_on(journal);
        }
        Ok(journal)
    }

    /// Opens a journal, and says what is waited for when another process keeps the lock for opening.
    pub(super) async fn beside_the_lock<T>(&self, path: &Path, opening: impl Future<Output = T>) -> T {
        tokio::pin!(opening);
        tokio::select! {
            biased;
            opened = &mut opening => return opened,
            () = self.clock.sleep(TICK) => {}
        }
        let lock = Journal::opening_lock(path);
        if lock.exists() {
            let by = match Journal::opened_by(path) {
                Some(pid) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            let lock = lock.display();
            self.ui
                .note(&format!("waiting for {by}, which is opening the journal just now and holds {lock}"));
        }
        opening.await
    }

    /// Warns of who besides the user can read or change the journal or its key.
    fn say_who_has_a_hand_on(&self, journal: &Journal) {
        for exposure in journal.exposed() {
            self.ui.warn(&exposure.to_string());
        }
    }

    /// Says whose lease is taken away, before it is.
    pub(super) async fn say_whom_it_disowns(
        &self,
        journal: &Journal,
        run: RunId,
        claim: Claim,
    ) -> Result<(), Report> {
        if claim == Claim::Disowns
            && !journal.is_held_here(run)
            && let Some(by) = journal.run(run).await?.holder
        {
            self.ui.warn(&format!(
                "--force-lease takes run {run} from {by}; if that process is alive after all, it stops before its next change"
            ));
        }
        Ok(())
    }
}

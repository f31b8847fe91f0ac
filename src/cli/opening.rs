//! Opens the journal for a command. Tells the user when that takes long, or when the journal has a problem.

use std::path::{Path, PathBuf};

use super::args::DeploymentArgs;
use super::problem::Report;
use super::session::{Session, TICK};
use super::variables::given_key;
use crate::journal::{Claim, Journal, KeySource};
use crate::run::{RunId, RunSelector};
use crate::workflows::KINSHIP;

impl Session<'_> {
    /// The path of the journal.
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

    /// The source of the journal's key.
    pub(super) fn key(&self) -> KeySource {
        KeySource { given: given_key(self.env, "DEPLOYCTL_JOURNAL_KEY") }
    }

    /// Opens the journal, or creates it.
    pub(super) async fn journal(&self) -> Result<Journal, Report> {
        let path = self.journal_path()?;
        let journal = self.beside_the_lock(&path, Journal::open(&path, self.key(), self.clock)).await?;
        let journal = journal.related_by(KINSHIP);
        self.say_of_before(&journal);
        self.say_who_has_a_hand_on(&journal);
        Ok(journal)
    }

    /// Warns, on a runner of a pipeline, that the journal is lost with the runner's disk.
    pub(super) fn say_what_a_lost_disk_means(&self) -> Result<(), Report> {
        if self.env.get("CI") == Some("true") {
            let path = self.journal_path()?;
            let path = path.display();
            self.ui.warn(&format!(
                "the journal {path} is on this runner's disk: if the runner is lost in the middle of a run, nobody can \
                 resume it or roll it back from there, and `deployctl recover DEPLOYMENT` takes it up from the cloud; keep \
                 {path}, its -wal and its .key as an artifact or in a cache"
            ));
        }
        Ok(())
    }

    /// Opens the journal in which a run is looked for. The journal must exist.
    pub(super) async fn existing_journal(&self, selector: &RunSelector) -> Result<Journal, Report> {
        self.journal_to_drive().await?.ok_or_else(|| self.no_journal(&selector.to_string()))
    }

    /// Tells the user, once, that runs of older versions are accepted as they stand.
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

    /// Opens the journal to drive one of its runs, if the journal exists.
    pub(super) async fn journal_to_drive(&self) -> Result<Option<Journal>, Report> {
        let path = self.journal_path()?;
        let opening = Journal::open_existing(&path, self.key(), self.clock);
        let journal = self.beside_the_lock(&path, opening).await?.map(|journal| journal.related_by(KINSHIP));
        if let Some(journal) = &journal {
            self.say_of_before(journal);
            self.say_who_has_a_hand_on(journal);
        }
        Ok(journal)
    }

    /// Opens the journal to show a run, which needs no key. The journal must exist.
    pub(super) async fn journal_to_look(&self, selector: &RunSelector) -> Result<Journal, Report> {
        self.journal_if_any().await?.ok_or_else(|| self.no_journal(&selector.to_string()))
    }

    /// The report when the named journal does not exist.
    pub(super) fn no_such_journal(&self) -> Report {
        match self.journal_path() {
            Ok(path) => Report::usage(format!("there is no journal {}", path.display()))
                .hint("--journal and DEPLOYCTL_JOURNAL name it; `deployctl start` makes one"),
            Err(report) => report,
        }
    }

    /// The report when a run is looked for and there is no journal.
    pub(super) fn no_journal(&self, wanted: &str) -> Report {
        let path = match self.journal_path() {
            Ok(path) => path,
            Err(report) => return report,
        };
        Report::usage(format!("no run matches `{wanted}`: there is no journal {}", path.display()))
            .hint("name the journal with --journal")
    }

    /// The same for a deployment that the user names.
    pub(super) fn no_journal_for(&self, args: &DeploymentArgs) -> Report {
        let named = args.file.as_deref().map(|path| path.display().to_string());
        self.no_journal(&named.unwrap_or_default())
    }

    /// Opens the journal for reading, if it exists.
    pub(super) async fn journal_if_any(&self) -> Result<Option<Journal>, Report> {
        let path = self.journal_path()?;
        let opening = Journal::open_to_look(&path, self.key(), self.clock);
        let journal = self.beside_the_lock(&path, opening).await?.map(|journal| journal.related_by(KINSHIP));
        if let Some(journal) = &journal {
            self.say_who_has_a_hand_on(journal);
        }
        Ok(journal)
    }

    /// Opens a journal. If another process keeps the lock for opening, tells the user about the wait.
    pub(super) async fn beside_the_lock<T>(&self, path: &Path, opening: impl Future<Output = T>) -> T {
        tokio::pin!(opening);
        tokio::select! {
            biased;
            opened = &mut opening => return opened,
            () = self.clock.sleep(TICK) => {}
        }
        let lock = Journal::opening_lock(path);
        let opened_by = Journal::opened_by(path);
        // A slow machine may take that long to open it alone.
        if lock.exists() && opened_by != Some(std::process::id()) {
            let by = match opened_by {
                Some(pid) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            let lock = lock.display();
            self.ui
                .note(&format!("waiting for {by}, which is opening the journal just now and holds {lock}"));
        }
        opening.await
    }

    /// Warns if other users can read or change the journal or its key.
    fn say_who_has_a_hand_on(&self, journal: &Journal) {
        for exposure in journal.exposed() {
            self.ui.warn(&exposure.to_string());
        }
    }

    /// Tells the user whose lease is about to be taken away.
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

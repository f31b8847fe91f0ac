//! The kinds of errors, by the names on which scripts branch.

use serde::Serialize;

/// The kind of an error: `error.kind` in the JSON of a command that drove no run, `reason` in the JSON of a run. The
/// README lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Kind {
    /// The command line, or something that it names, is wrong.
    Usage,
    /// The deployment's file, a region or an endpoint is wrong.
    Configuration,
    /// The signer is unknown, or the signer's key cannot be used.
    Credentials,
    /// The user was asked and did not say yes.
    Declined,
    /// The change is not possible, because of the state of the cloud or the run's own past; nothing was changed.
    Refused,
    /// A look without a run found something wrong; nothing was changed.
    Failed,
    /// Another run holds the target, or another process holds the run.
    Held,
    /// The cloud could not be reached, and there is no run.
    Unreachable,
    /// The journal, or its key, cannot be used.
    Journal,
    /// The run failed and was rolled back.
    RolledBack,
    /// The run failed and is left as it is.
    Halted,
    /// A step of the run cannot be undone.
    Stuck,
    /// The run waits for `resume`.
    Suspended,
    /// A signal stopped the command.
    Interrupted,
    /// Another process took over the run.
    LeaseLost,
    /// The run was journaled by a version with other steps.
    Diverged,
    /// A defect of this program.
    Ours,
}

#[cfg(test)]
mod tests {
    use super::Kind;

    /// Every kind. A kind that is missing from the list does not compile.
    fn all() -> Vec<Kind> {
        let mut all = vec![Kind::Usage];
        while let Some(next) = all.last().and_then(|last| after(*last)) {
            all.push(next);
        }
        all
    }

    const fn after(kind: Kind) -> Option<Kind> {
        Some(match kind {
            Kind::Usage => Kind::Configuration,
            Kind::Configuration => Kind::Credentials,
            Kind::Credentials => Kind::Declined,
            Kind::Declined => Kind::Refused,
            Kind::Refused => Kind::Failed,
            Kind::Failed => Kind::Held,
            Kind::Held => Kind::Unreachable,
            Kind::Unreachable => Kind::Journal,
            Kind::Journal => Kind::RolledBack,
            Kind::RolledBack => Kind::Halted,
            Kind::Halted => Kind::Stuck,
            Kind::Stuck => Kind::Suspended,
            Kind::Suspended => Kind::Interrupted,
            Kind::Interrupted => Kind::LeaseLost,
            Kind::LeaseLost => Kind::Diverged,
            Kind::Diverged => Kind::Ours,
            Kind::Ours => return None,
        })
    }

    fn name(kind: Kind) -> String {
        serde_json::to_value(kind).expect("a name").as_str().expect("a text").to_owned()
    }

    #[test]
    fn scripts_find_each_kind_by_its_name() {
        let names: Vec<String> = all().into_iter().map(name).collect();
        insta::assert_snapshot!(names.join("\n"), @r"
        usage
        configuration
        credentials
        declined
        refused
        failed
        held
        unreachable
        journal
        rolled-back
        halted
        stuck
        suspended
        interrupted
        lease-lost
        diverged
        ours
        ");
    }

    #[test]
    fn the_readme_lists_each_kind() {
        let readme = include_str!("../../../README.md");
        let table = readme.split("\n| kind |").nth(1).expect("a table of the kinds");
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let listed: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(listed, all().into_iter().map(name).collect::<Vec<_>>());
    }
}

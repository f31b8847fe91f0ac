//! The kinds of what goes wrong, by the names on which scripts branch.

use serde::Serialize;

/// What kind of thing went wrong: `error.kind` in the JSON of a command that drove no run, `reason` in that of a run.
/// The README lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Kind {
    /// The command line, or what it names, is not right.
    Usage,
    /// The deployment's file, a region or an endpoint is not right.
    Configuration,
    /// Who signs is not known, or their key cannot be used.
    Credentials,
    /// The user was asked and did not say yes.
    Declined,
    /// What the run would change cannot be changed, by what the cloud or its own past holds; nothing was changed.
    Refused,
    /// What was looked at without a run is not as it must be; nothing was changed.
    Failed,
    /// Another run holds the target, or another process the run.
    Held,
    /// The cloud was not reached, without a run.
    Unreachable,
    /// The journal, or its key, cannot be used.
    Journal,
    /// The run failed and was rolled back.
    RolledBack,
    /// The run failed and was left as it is.
    Halted,
    /// A step of the run cannot be undone.
    Stuck,
    /// The run waits for `resume`.
    Suspended,
    /// A signal stopped the command.
    Interrupted,
    /// Another process took the run over.
    LeaseLost,
    /// The run was journaled by a version whose steps are others.
    Diverged,
    /// Our fault.
    Ours,
}

#[cfg(test)]
mod tests {
    use super::Kind;

    /// Every kind. The `match` does not compile with one that is not in the list.
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

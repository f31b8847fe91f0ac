//! Who asks for a run or for its rollback, and why. Both are recorded with the run.

use super::session::Session;
use super::ui::plain;
use crate::env::Env;
use crate::run::{Facts, RunRecord};
use crate::workflows::{JOB_URL, ROLLBACK_REASON, ROLLED_BACK_BY, START_REASON, STARTED_BY};

/// What is recorded with a run that starts now.
pub(super) fn of_start(session: &Session<'_>, reason: Option<&str>) -> Facts {
    let mut facts = facts(session, reason, [STARTED_BY, START_REASON]);
    facts.extend(job_url(session.env).map(|url| (JOB_URL.to_owned(), url)));
    facts
}

/// What is recorded with a run that is rolled back now.
pub(super) fn of_rollback(session: &Session<'_>, reason: Option<&str>) -> Facts {
    facts(session, reason, [ROLLED_BACK_BY, ROLLBACK_REASON])
}

fn facts(session: &Session<'_>, reason: Option<&str>, [by, why]: [&str; 2]) -> Facts {
    let holder = session.holder();
    // On a runner, the user is the same for everybody.
    let actor = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN"].iter().find_map(|name| session.env.get(name));
    let who = format!("{}@{}", actor.unwrap_or(&holder.user), holder.host);
    let mut facts = Facts::from([(by.to_owned(), who)]);
    facts.extend(reason.filter(|text| !text.is_empty()).map(|text| (why.to_owned(), text.to_owned())));
    facts
}

/// The page of the CI job that this is: of GitHub, GitLab or Jenkins.
fn job_url(env: &Env) -> Option<String> {
    let on_github = || {
        let [server, repository, run] =
            ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(|name| env.get(name));
        Some(format!("{}/{}/actions/runs/{}", server?, repository?, run?))
    };
    on_github()
        .or_else(|| ["CI_JOB_URL", "BUILD_URL"].iter().find_map(|name| env.get(name)).map(str::to_owned))
}

/// Who started a run, and why, in words that follow "started": ` by ann@ci-1 (https://…): new certificates`.
pub(super) fn of_started(record: &RunRecord) -> String {
    told(record, [STARTED_BY, START_REASON, JOB_URL])
}

/// Who rolled it back, and why, in the same words. `None` if nobody did by hand.
pub(super) fn of_rolled_back(record: &RunRecord) -> Option<String> {
    record.facts.contains_key(ROLLED_BACK_BY).then(|| told(record, [ROLLED_BACK_BY, ROLLBACK_REASON, ""]))
}

fn told(record: &RunRecord, [by, why, url]: [&str; 3]) -> String {
    let fact = |name: &str, before: &str, after: &str| {
        record.facts.get(name).map(|text| format!("{before}{}{after}", plain(text))).unwrap_or_default()
    };
    format!("{}{}{}", fact(by, " by ", ""), fact(url, " (", ")"), fact(why, ": ", ""))
}

//! Each error as a person reads it: kind and exit code, message, and what to do next.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Report, of_end, refused};
use crate::cli::args::{Global, Output};
use crate::cli::exit::Exit;
use crate::cli::io::Io;
use crate::cli::ui::Ui;
use crate::engine::{Diverged, End, Stop, UnknownWorkflow};
use crate::env::Env;
use crate::journal::{
    FindError, JournalError, KeyOrigin, ResolveError, RotateError, SealError, StartError, TakeError,
    TargetHeld, WriteError,
};
use crate::oci::identity::{IdentityError, KeyError, ProfileError, SignInError};
use crate::oci::sign_in::AccessError;
use crate::oci::{EndpointError, RegionError, Service, SetupError};
use crate::oci::{OciError, TransportKind};
use crate::run::{Direction, Failure, Holder, Keep, RunId, RunState, Target, Timestamp};

/// A report's output on both streams, and its exit code.
fn printed(report: &Report, output: Output) -> (String, String, Exit) {
    let (out, err) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let io = Io::writers(out.clone(), err.clone());
    let exit = report.print(&Ui::new(&Global { output, ..Global::default() }, &Env::default(), io));
    let text =
        |bytes: &Mutex<Vec<u8>>| String::from_utf8(bytes.lock().expect("no panic").clone()).expect("text");
    (text(&out), text(&err), exit)
}

/// The screens of some reports. The JSON of each says the same.
fn screens(reports: impl IntoIterator<Item = Report>) -> String {
    let screen = |report: Report| {
        let (out, err, exit) = printed(&report, Output::Text);
        assert_eq!(out, "", "an error is no result");
        let kind = json!(report.kind);
        let said = json!({"error": {"kind": kind, "message": report.message, "hint": report.hint}});
        let (out, no_err, same_exit) = printed(&report, Output::Json);
        assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), said);
        assert_eq!((no_err.as_str(), same_exit), ("", exit), "{out}");
        format!("-- {}, exit {}\n{err}", kind.as_str().expect("a name"), exit.code())
    };
    reports.into_iter().map(screen).collect::<Vec<_>>().join("\n")
}

fn run(n: u8) -> RunId {
    format!("{n}b2c3d4e-0000-4000-8000-000000000001").parse().expect("an id")
}

fn at(minute: u8) -> Timestamp {
    format!("2026-03-01T09:{minute:02}:00Z").parse().expect("a time")
}

fn holder() -> Holder {
    Holder {
        host: "ci-1".to_owned(),
        boot_id: "boot".to_owned(),
        pid: 7,
        since: at(0),
        user: "ann".to_owned(),
    }
}

fn held(state: RunState) -> TargetHeld {
    TargetHeld { target: Target::new("backend-set", "ocid1.loadbalancer.a/http"), run: run(2), state }
}

fn failure() -> Failure {
    Failure::permanent("creating the instance", "404 NotAuthorizedOrNotFound: no such subnet")
}

fn broken(kind: io::ErrorKind) -> io::Error {
    io::Error::from(kind)
}

fn journals() -> Vec<JournalError> {
    let path = || PathBuf::from("journal.db");
    vec![
        JournalError::Open { path: path(), source: broken(io::ErrorKind::PermissionDenied) },
        JournalError::NetworkFileSystem { path: path(), kind: "nfs" },
        JournalError::NotOurs { path: path() },
        JournalError::Newer { path: path(), found: 9, known: 4 },
        JournalError::Damaged { path: path(), detail: "row 3 is missing".to_owned() },
        JournalError::WithoutLog { path: path(), log: PathBuf::from("journal.db-wal") },
        JournalError::Full { path: path() },
        JournalError::Locked { path: path() },
        JournalError::ReadOnly { path: path() },
        JournalError::Pragma { pragma: "synchronous", found: "0".to_owned() },
        JournalError::of_sqlite(path(), "it answered oddly"),
        JournalError::Decode { table: "runs", column: "state", detail: "`odd` names no state".to_owned() },
        JournalError::Altered { table: "steps", place: "step 3 of run 1b2c3d4e".to_owned() },
        JournalError::NoSuchRun(run(1)),
    ]
}

#[test]
fn a_journal_that_cannot_be_used() {
    insta::assert_snapshot!(screens(journals().into_iter().map(Report::from)));
}

#[test]
fn a_key_that_does_not_fit() {
    let path = || PathBuf::from("journal.db.key");
    let errors = [
        SealError::BadVariable { name: "DEPLOYCTL_JOURNAL_KEY" },
        SealError::BadFile { path: path() },
        SealError::File { path: path(), source: broken(io::ErrorKind::PermissionDenied) },
        SealError::Missing { path: path() },
        SealError::WrongKey { origin: KeyOrigin::Given("DEPLOYCTL_JOURNAL_KEY") },
        SealError::WrongKey { origin: KeyOrigin::File(path()) },
        SealError::OnlyLooking,
        SealError::Rotated,
        SealError::Unopened { place: "steps.output of step 3".to_owned() },
        SealError::Clear { place: "steps.input of step 1".to_owned() },
    ];
    let rotations = [
        RotateError::NoNewKey { name: "DEPLOYCTL_JOURNAL_KEY" },
        RotateError::SameKey { name: "DEPLOYCTL_JOURNAL_NEW_KEY" },
        RotateError::NoJournal { path: PathBuf::from("journal.db") },
        RotateError::Held { run: run(1), by: holder() },
    ];
    let reports = errors.into_iter().map(|error| Report::from(JournalError::Seal(error)));
    insta::assert_snapshot!(screens(reports.chain(rotations.map(Report::from))));
}

#[test]
fn a_run_that_is_not_found() {
    let selector = || "1b".to_owned();
    let errors = [
        FindError::None { selector: selector() },
        FindError::Ambiguous { selector: selector(), candidates: vec![run(1), run(2)] },
        FindError::NothingChanged,
    ];
    let steps = [
        ResolveError::NoSuchStep { run: run(1), step: "99".to_owned() },
        ResolveError::NotStuck { run: run(1), step: "create-instance".to_owned() },
    ];
    insta::assert_snapshot!(screens(errors.map(Report::from).into_iter().chain(steps.map(Report::from))));
}

#[test]
fn a_run_that_cannot_be_taken_up() {
    let states =
        [RunState::Running, RunState::Suspended, RunState::Failed, RunState::RollingBack, RunState::Stuck];
    let targets = states.map(|state| Report::from(StartError::TargetHeld(held(state))));
    let starts = [
        StartError::Unfit(Failure::ours("encoding the input", "a number is not finite")),
        StartError::Write(WriteError::LeaseLost { to: Some(holder()) }),
    ];
    let mut takes = vec![
        TakeError::Held { run: run(1), by: holder(), until: at(30) },
        TakeError::Alive { run: run(1), by: holder() },
        TakeError::Busy { run: run(1), lock: "/home/ann/journal.db.locks/1b2c.lock".into() },
        TakeError::NothingToRetry { run: run(1), state: RunState::Suspended, direction: Direction::Forward },
        TakeError::NothingToRetry { run: run(1), state: RunState::Stuck, direction: Direction::Backward },
        TakeError::Superseded { run: run(1), by: run(2), state: RunState::Succeeded },
        TakeError::Superseded { run: run(1), by: run(2), state: RunState::RolledBack },
        TakeError::Abandoned { run: run(1), keep: Keep::New, state: RunState::Succeeded },
        TakeError::Abandoned { run: run(1), keep: Keep::Old, state: RunState::Suspended },
    ];
    let over = [RunState::Succeeded, RunState::RolledBack, RunState::Failed, RunState::Stuck];
    takes.extend(over.map(|state| TakeError::Over { run: run(1), state }));
    let reports = targets.into_iter().chain(starts.map(Report::from));
    insta::assert_snapshot!(screens(reports.chain(takes.into_iter().map(Report::from))));
}

#[test]
fn a_run_that_did_not_simply_succeed() {
    let ends = [
        End::RolledBack(Some(failure())),
        End::Refused(failure()),
        End::TargetHeld(held(RunState::Suspended)),
        End::Halted(failure()),
        End::NotAbandoned(failure()),
        End::Stuck { step: "create-instance".to_owned(), subject: None, failure: failure() },
        End::Deadly { step: "create-instance".to_owned(), subject: None, failure: failure() },
        End::Stuck {
            step: "retire-instance".to_owned(),
            subject: Some("ocid1.computecontainerinstance.oc1.iad.old".to_owned()),
            failure: failure(),
        },
        End::Suspended(Failure::transient("reading the instance", "503 ServiceUnavailable")),
        End::Interrupted,
        End::LeaseLost(Some(holder())),
        End::LeaseLost(None),
        End::Diverged(diverged()),
        End::UnknownWorkflow(unknown()),
        End::Ours(Failure::ours("signing", "the key is gone")),
        End::Broken(JournalError::Full { path: PathBuf::from("journal.db") }),
    ];
    insta::assert_snapshot!(screens(ends.map(|end| of_end(run(1), &end).expect("something to say"))));
    for silent in [End::Succeeded, End::RolledBack(None)] {
        assert!(of_end(run(1), &silent).is_none(), "{silent:?} is what was asked for");
    }
}

fn diverged() -> Diverged {
    Diverged {
        seq: crate::run::Seq::FIRST,
        recorded: "create-instance".to_owned(),
        asked: "find-instance".to_owned(),
        difference: Some("at `image`, \"web:1\" is recorded, and \"web:2\" is asked for".to_owned()),
    }
}

fn unknown() -> UnknownWorkflow {
    UnknownWorkflow {
        workflow: "migrate".to_owned(),
        version: 2,
        known: vec![("destroy", 1), ("redeploy", 1)],
    }
}

#[test]
fn a_look_that_finds_what_is_not_as_it_must_be() {
    let stops = [
        Stop::Failed(failure()),
        Stop::Suspended(Failure::transient("reading the instance", "503 ServiceUnavailable")),
        Stop::Interrupted,
        Stop::TargetHeld(held(RunState::Suspended)),
        Stop::Ours(Failure::ours("signing", "the key is gone")),
        Stop::Broken(JournalError::Full { path: PathBuf::from("journal.db") }),
        Stop::LeaseLost(None),
        Stop::Diverged(diverged()),
        Stop::UnknownWorkflow(unknown()),
    ];
    insta::assert_snapshot!(screens(stops.map(Report::from).into_iter().chain([refused(&failure())])));
}

#[test]
fn a_cloud_that_cannot_be_signed_in_to() {
    let config = || PathBuf::from("/home/ann/.oci/config");
    let profiles = [
        ProfileError::Unreadable { path: config(), source: broken(io::ErrorKind::NotFound) },
        ProfileError::Syntax { path: config(), line: 3, message: "expected `key=value`".to_owned() },
        ProfileError::NoSuchProfile {
            path: config(),
            name: "prod".to_owned(),
            existing: vec!["DEFAULT".to_owned(), "test".to_owned()],
        },
        ProfileError::KeyFile {
            said: "`key_file` of the profile [DEFAULT]".to_owned(),
            path: PathBuf::from("key.pem"),
            source: broken(io::ErrorKind::NotFound),
        },
    ];
    let away = |service| {
        SignInError::Cloud(Box::new(OciError::Transport {
            service,
            operation: "GetRegion",
            url: "http://169.254.169.254/opc/v2/instance/region".to_owned(),
            kind: TransportKind::Connect,
            detail: "no route to host".to_owned(),
        }))
    };
    let sign_ins = [
        away(Service::InstanceMetadata),
        away(Service::ContainerInstances),
        SignInError::Key { place: "the profile [DEFAULT]".to_owned(), source: KeyError::PassPhraseMissing },
    ];
    let keys = [IdentityError::Fingerprint { configured: "aa:bb".to_owned(), actual: "cc:dd".to_owned() }];
    let endpoints = [
        EndpointError::NoHost("https://".to_owned()),
        EndpointError::Scheme("ftp://cloud".to_owned()),
        EndpointError::Plain("http://cloud.example".to_owned()),
    ];
    let setups = [
        SetupError::BundleUnreadable {
            path: PathBuf::from("ca.pem"),
            source: broken(io::ErrorKind::NotFound),
        },
        SetupError::BundleInvalid { path: PathBuf::from("ca.pem") },
    ];
    let reports = profiles.map(Report::from).into_iter();
    let reports = reports.chain(sign_ins.map(Report::from)).chain(keys.map(Report::from));
    let reports = reports.chain([Report::from(RegionError("eu-frankfort-1".to_owned()))]);
    insta::assert_snapshot!(screens(
        reports.chain(endpoints.map(Report::from)).chain(setups.map(Report::from))
    ));
}

#[test]
fn a_cloud_that_cannot_be_signed_in_to_for_a_rare_reason() {
    let config = || PathBuf::from("/home/ann/.oci/config");
    let origin = || "/home/ann/.oci/config [DEFAULT]".to_owned();
    let not_rsa = || IdentityError::Key(KeyError::NotRsa);
    let profiles = [
        ProfileError::Missing { origin: origin(), key: "user" },
        ProfileError::KeyContent { origin: origin() },
        ProfileError::Malformed { said: "`user` of the profile [DEFAULT]".to_owned(), kind: "user" },
        ProfileError::Region { origin: origin(), source: RegionError("eu-frankfort-1".to_owned()) },
        ProfileError::Key { origin: origin(), place: "key.pem".to_owned(), source: not_rsa() },
        ProfileError::Session { origin: origin(), source: SignInError::NoSessionKey },
    ];
    let keys = [
        KeyError::NoPemBlock,
        KeyError::PassPhraseMissing,
        KeyError::PassPhraseWrong,
        KeyError::NotRsa,
        KeyError::UnknownCipher("RC2-40-CBC".to_owned()),
    ];
    let sign_ins = [
        SignInError::Expired { place: "token".to_owned(), at: at(0), advice: "refresh it".to_owned() },
        SignInError::Unreadable { path: config(), source: broken(io::ErrorKind::NotFound) },
        SignInError::DelegationToken { path: PathBuf::from("delegation") },
        SignInError::TenancyChanged {
            before: "ocid1.tenancy.a".to_owned(),
            now: "ocid1.tenancy.b".to_owned(),
        },
    ];
    let no_host = |nearest| AccessError::NoHost {
        region: "eu-frankfort-1".to_owned(),
        host: "iaas.eu-frankfort-1.oraclecloud.com".to_owned(),
        nearest,
    };
    let missing = |missing| {
        let profile = ProfileError::Unreadable { path: config(), source: broken(io::ErrorKind::NotFound) };
        AccessError::Incomplete { profile, missing }
    };
    let ways = [
        missing(vec!["OCI_CLI_USER"]),
        missing(vec!["OCI_CLI_USER", "OCI_CLI_REGION"]),
        AccessError::UserKey { place: "web.edn:3:5".to_owned(), source: not_rsa() },
        AccessError::Federation {
            variable: "OCI_CLI_FEDERATION_ENDPOINT",
            source: EndpointError::Plain("http://auth.example".to_owned()),
        },
        AccessError::Roots { file: "/etc/ssl/certs".to_owned(), source: broken(io::ErrorKind::IsADirectory) },
        AccessError::UnknownAuth("magic".to_owned()),
        AccessError::UnknownType("magic".to_owned()),
        AccessError::NoSession,
        AccessError::NoDelegation,
        AccessError::NotSet("OCI_RESOURCE_PRINCIPAL_RPST"),
        AccessError::ResourceVersion("1.1".to_owned()),
        AccessError::SecretGone("OCI_CLI_KEY_CONTENT"),
        AccessError::NoHome,
        AccessError::NoRegion,
        no_host(Some("eu-frankfurt-1")),
        no_host(None),
        AccessError::Setup(SetupError::Tls(no_client())),
    ];
    let reports = profiles.map(Report::from).into_iter();
    let reports = reports.chain(keys.map(|key| IdentityError::Key(key).into()));
    insta::assert_snapshot!(screens(reports.chain(sign_ins.map(Report::from)).chain(ways.map(Report::from))));
}

/// Why an HTTP client cannot be made.
fn no_client() -> reqwest::Error {
    reqwest::Client::builder().user_agent("\n").build().expect_err("a header holds no line break")
}

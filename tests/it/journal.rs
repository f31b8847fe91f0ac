//! The journal under stress: a full disk, missing permissions, damage, other writers, and power failures. Each gives a clear
//! message, and nothing is sent that was not committed first.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::harness::{Ran, World};

const JOURNAL: &str = ".local/state/deployctl/journal.db";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn connect(path: PathBuf) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.expect("the file opens")
}

fn execute(world: &World, statement: &'static str) {
    runtime().block_on(async {
        let mut connection = connect(world.path(JOURNAL)).await;
        sqlx::query(statement).execute(&mut connection).await.expect("it is executed");
        connection.close().await.expect("it closes");
    });
}

#[track_caller]
fn expect_refused(world: &World, args: &[&str], message: &str) -> Ran {
    let n_changes = world.changes().len();
    let ran = world.run(args).expect(1);
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(world.changes().len(), n_changes, "something was sent");
    ran
}

#[test]
fn a_full_disk_stops_the_run_before_anything_is_sent_and_it_resumes_once_there_is_room() {
    let (world, file) = World::with_deployment();
    let mount = "mount -t tmpfs -o size=352k,mode=700 none \"$STATE\"";
    let can_mount =
        Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !can_mount {
        writeln!(std::io::stderr(), "SKIPPED: a full disk: no mount namespace can be made here")
            .expect("stderr");
        return;
    }
    fs::create_dir_all(world.path("state")).expect("a folder");
    let script = format!(
        "{mount} || exit 90
         \"$BINARY\" start {file} 2>\"$HOME/full\"; code=$?
         mount -o remount,size=16m \"$STATE\" || exit 91
         \"$BINARY\" resume latest -q >/dev/null || exit 92
         exit $code"
    );
    let ran = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .envs([("BINARY", env!("CARGO_BIN_EXE_deployctl")), ("DEPLOYCTL_ENDPOINT", world.url())])
        .envs([
            ("HOME", world.path("")),
            ("STATE", world.path("state")),
            ("XDG_STATE_HOME", world.path("state")),
        ])
        .current_dir(world.path(""))
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let said = fs::read_to_string(world.path("full")).expect("what start said");
    assert_eq!(ran.status.code(), Some(1), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("the disk that holds the journal"), "{said}");
    assert!(said.contains("hint: nothing more was sent; mend it, then `deployctl resume"), "{said}");
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_file_that_may_not_be_written_is_refused() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    fs::set_permissions(world.path(JOURNAL), Permissions::from_mode(0o400)).expect("set");
    expect_refused(&world, &["start", file], "it is read-only for this user");
    expect_refused(&world, &["rollback", "latest"], "it is read-only for this user");
}

#[test]
fn a_damaged_file_is_refused_wherever_the_damage_is() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    let whole = fs::read(world.path(JOURNAL)).expect("the journal");
    let page = 4096;
    assert!(whole.len() > 8 * page, "{} bytes", whole.len());
    for at in [page * 2, page * 4, whole.len() - page] {
        fs::write(world.path(JOURNAL), &whole).expect("written");
        let mut damaged = OpenOptions::new().write(true).open(world.path(JOURNAL)).expect("opens");
        damaged.seek(SeekFrom::Start(u64::try_from(at).expect("small"))).expect("seeks");
        damaged.write_all(&[0xa5; 512]).expect("written");
        drop(damaged);
        expect_refused(&world, &["start", file], "is damaged");
    }
    fs::write(world.path(JOURNAL), &whole[..whole.len() / 2]).expect("written");
    expect_refused(&world, &["start", file], "is damaged");
    fs::write(world.path(JOURNAL), "dear diary").expect("written");
    expect_refused(&world, &["start", file], "is not a journal of this program");
}

#[test]
fn a_newer_file_is_refused() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    execute(&world, "PRAGMA user_version = 99");
    expect_refused(&world, &["start", file], "was written by a newer version (schema 99");
    expect_refused(&world, &["history"], "was written by a newer version");
}

#[test]
fn of_many_processes_on_one_file_each_does_its_part() {
    let (world, file) = World::with_deployment();
    let starts: Vec<_> = (0..6)
        .map(|_| world.command(&["start", file, "-q"]).stdout(Stdio::null()).spawn().expect("starts"))
        .collect();
    for _ in 0..10 {
        let listed = world.run(&["history", "--output", "json"]).expect(0).json();
        assert!(listed["runs"].as_array().expect("runs").len() <= 6, "more runs than processes: {listed:#}");
    }
    let mut codes: Vec<Option<i32>> =
        starts.into_iter().map(|mut one| one.wait().expect("ends").code()).collect();
    codes.sort_unstable();
    // Those that start after the first one has ended succeed too.
    assert_eq!(codes[0], Some(0), "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 6))), "{codes:?}");
    assert_eq!(world.versions(), ["2"]);
    assert_eq!(world.held(), 0);
}

#[test]
fn a_lock_that_is_not_let_go_ends_the_run_with_nothing_sent() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    let locked = |act: &dyn Fn()| {
        runtime().block_on(async {
            let mut other = connect(world.path(JOURNAL)).await;
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("locked");
            act();
            sqlx::query("ROLLBACK").execute(&mut other).await.expect("let go");
            other.close().await.expect("it closes");
        });
    };
    locked(&|| {
        expect_refused(&world, &["start", file], "is locked by another process");
    });
    // In the middle of a run: a step that has begun stays begun, and a resume takes it up.
    let ran = world.run_with(&["start", file], "shift-set/begun=return");
    assert_eq!(ran.code, -1);
    locked(&|| {
        expect_refused(&world, &["resume", "latest"], "is locked by another process");
    });
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.held(), 0);
}

//! Calls that do not go to Oracle's hosts: the user is told where they go, and a mistake in the address sends nothing
//! anywhere.

use crate::harness::{Ran, World};

/// Runs a command with a variable.
fn with(world: &World, args: &[&str], name: &str, value: &str) -> Ran {
    Ran::of(&world.command(args).env(name, value).output().expect("the program starts"))
}

#[test]
fn a_run_says_where_its_calls_go() {
    let (world, file) = World::with_deployment();
    for args in [&["plan", file][..], &["start", file], &["rollback", "latest"]] {
        let ran = world.run(args).expect(0);
        assert!(ran.stderr.contains(&format!("every call goes to {}", world.url())), "{}", ran.stderr);
    }
}

#[test]
fn an_endpoint_that_is_none_is_refused_before_anything_is_sent() {
    let (world, file) = World::with_deployment();
    for (endpoint, expected) in [
        ("http://", "`http://` has no host"),
        ("http:///", "has no host"),
        ("http://20210415", "reads as 1.52.98.239"),
        ("127.0.0.1:4000", "has no scheme"),
        ("https://ann:s3cret@example.com", "a user or a password"),
        ("https://example.com/?x=1", "a query"),
        ("http://example.com", "is not encrypted"),
    ] {
        for ran in [
            world.run(&["start", file, "--endpoint", endpoint]).expect(2),
            with(&world, &["start", file], "DEPLOYCTL_ENDPOINT", endpoint).expect(2),
        ] {
            assert!(ran.stderr.contains(expected), "{endpoint}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint: "), "{endpoint}: {}", ran.stderr);
            assert!(!ran.stderr.contains("s3cret"), "{endpoint}: {}", ran.stderr);
        }
    }
    assert_eq!(world.changes(), Vec::<String>::new());
    assert!(!world.path(".local/state/deployctl/journal.db").exists(), "a run was begun");
}

/// On Linux, the address of every interface leads to this machine, although it is not a loopback address.
#[test]
fn without_encryption_another_machine_must_be_allowed() {
    let (world, file) = World::with_deployment();
    let elsewhere = world.url().replace("127.0.0.1", "0.0.0.0");
    let refused = world.run(&["plan", file, "--endpoint", &elsewhere]).expect(2);
    assert!(refused.stderr.contains("give --allow-http"), "{}", refused.stderr);
    let warned = format!("every call goes to {elsewhere}, which is not Oracle's");
    for ran in [
        world.run(&["plan", file, "--endpoint", &elsewhere, "--allow-http"]),
        with(&world, &["plan", file, "--endpoint", &elsewhere], "DEPLOYCTL_ALLOW_HTTP", "true"),
    ] {
        assert!(ran.stderr.contains(&warned), "{}", ran.stderr);
    }
}

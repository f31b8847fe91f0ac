//! Every way to sign in, through the binary. The sandbox checks each signature and reports who made it.

mod cert_bundle;
mod renewal;
mod settings;
mod signature;
mod ways;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::World;

/// The environment variables of an OCI machine.
fn principals(world: &World) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(world.path("principals.env")).expect("the sandbox wrote it");
    let exports = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    exports.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Gives the world's commands the environment of an OCI machine.
fn on_oci(world: &mut World) {
    let principals = principals(world);
    world.set_environment(principals.iter().map(|(name, value)| (name.as_str(), value.clone())));
}

/// The audited calls of the API and of the service that issues tokens.
fn calls(world: &World) -> Vec<Value> {
    let audit = world.audit();
    let entries = audit["entries"].as_array().expect("entries").clone();
    let is_metadata = |entry: &Value| entry["target"].as_str().is_some_and(|it| it.starts_with("/opc/"));
    entries.into_iter().filter(|entry| !is_metadata(entry)).collect()
}

fn is_federation(call: &Value) -> bool {
    call["target"] == "/v1/x509"
}

/// How many tokens were requested.
fn n_federations(world: &World) -> usize {
    calls(world).iter().filter(|call| is_federation(call)).count()
}

/// The signers of the API calls from number `first` on.
fn signers(world: &World, first: usize) -> BTreeSet<String> {
    let calls = calls(world);
    let of_api = calls.iter().skip(first).filter(|call| !is_federation(call));
    of_api.map(|call| call["who"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Runs a command that only reads, and returns the signers of its calls.
#[track_caller]
fn planned_by(world: &World, flags: &[&str]) -> BTreeSet<String> {
    let first = calls(world).len();
    world.run(&[&["plan", "web.json"], flags].concat()).expect(0);
    signers(world, first)
}

#[track_caller]
fn refused(world: &World, flags: &[&str], expected: &[&str]) {
    let ran = world.run(&[&["start", "web.json"], flags].concat()).expect(2);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "expected {expected:?} in:\n{}", ran.stderr);
    }
}

fn one(who: &str) -> BTreeSet<String> {
    BTreeSet::from([who.to_owned()])
}

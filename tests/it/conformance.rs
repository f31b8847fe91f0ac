//! Others judge the sandbox: the official SDK and the `oci` CLI must work against it unchanged.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::World;

/// An interpreter that has the SDK: `OCI_PYTHON`, or `python3`.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment names the interpreter")]
fn python() -> Option<String> {
    let python = std::env::var("OCI_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_sdk = Command::new(&python).args(["-c", "import oci, oci_cli, jsonschema"]).output();
    has_sdk.is_ok_and(|output| output.status.success()).then_some(python)
}

/// The packages of the TypeScript SDK: in `OCI_NODE_MODULES`, or where Node looks by default.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment names the packages")]
fn node() -> Option<Command> {
    let mut node = Command::new("node");
    if let Ok(modules) = std::env::var("OCI_NODE_MODULES") {
        node.env("NODE_PATH", modules);
    }
    let packages = "for (const name of ['common', 'containerinstances', 'loadbalancer', 'workrequests']) require('oci-' + name)";
    let has_sdk = node.args(["-e", packages]).output().is_ok_and(|output| output.status.success());
    let mut again = Command::new("node");
    again.envs(node.get_envs().filter_map(|(name, value)| Some((name, value?))));
    has_sdk.then_some(again)
}

/// Reports that nothing was tried. The text bypasses the tests' own capture, which hides the output of tests that pass. If
/// the judge was named, as in CI, it must be there.
fn skipped(script: &str, needs: &str, named_by: &str) {
    assert!(std::env::var_os(named_by).is_none(), "{script} needs {needs}, which {named_by} does not have");
    writeln!(std::io::stderr(), "SKIPPED: {script} needs {needs} ({named_by} names it)")
        .expect("stderr is open");
}

/// Runs a script of others against a world of its own. The script gets these arguments before the URL.
fn conform_with(mut interpreter: Command, arguments: &[&Path]) {
    // The scripts count resources, so there must be no strangers.
    let world = World::with(&["--scenery", "plain"]);
    let output = interpreter
        .args(arguments)
        .arg(world.url())
        .env("HOME", world.path(""))
        .current_dir(world.path(""))
        .env("NO_PROXY", "127.0.0.1")
        .env("DEPLOYCTL", env!("CARGO_BIN_EXE_deployctl"))
        .env("OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING", "True")
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .output()
        .expect("the interpreter starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

fn conform(name: &str) {
    match python() {
        Some(python) => conform_with(Command::new(python), &[&script(name)]),
        None => {
            skipped(name, "a Python with the packages `oci`, `oci-cli` and `jsonschema`", "OCI_PYTHON");
        }
    }
}

#[test]
fn the_official_sdk_drives_the_sandbox() {
    conform("sdk.py");
}

#[test]
fn the_official_typescript_sdk_drives_the_sandbox() {
    match node() {
        Some(node) => conform_with(node, &[&script("sdk.js")]),
        None => skipped(
            "sdk.js",
            "Node and the packages `oci-common`, `oci-containerinstances`, `oci-loadbalancer` and `oci-workrequests`",
            "OCI_NODE_MODULES",
        ),
    }
}

/// CI builds the client of tests/conformance/go if Go and its modules are there.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment names the client")]
#[test]
fn the_official_go_sdk_drives_the_sandbox() {
    match std::env::var("OCI_GO_CONFORM") {
        Ok(client) => conform_with(Command::new(client), &[]),
        Err(_) => skipped("go/main.go", "Go, and the client that is built of it", "OCI_GO_CONFORM"),
    }
}

#[test]
fn the_official_cli_drives_the_sandbox() {
    conform("cli.py");
}

#[test]
fn the_official_sdk_and_cli_sign_in_in_every_way() {
    conform("auth.py");
}

#[test]
fn the_schema_the_official_sdk_and_deployctl_agree() {
    conform("schema.py");
}

#[test]
fn deployctl_understands_flags_variables_and_files_as_the_official_cli_does() {
    conform("precedence.py");
}

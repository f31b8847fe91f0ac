//! The sandbox is judged by others: the official SDK and the `oci` CLI must work against it unchanged.

use std::path::Path;
use std::process::Command;

use crate::harness::World;

/// An interpreter that has the SDK: `OCI_PYTHON`, or `python3`.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment names the interpreter")]
fn python() -> Option<String> {
    let python = std::env::var("OCI_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_sdk = Command::new(&python).args(["-c", "import oci, oci_cli, jsonschema"]).output();
    has_sdk.is_ok_and(|output| output.status.success()).then_some(python)
}

#[expect(clippy::print_stderr, reason = "a test that is skipped must say so loudly")]
fn conform(script: &str) {
    let Some(python) = python() else {
        eprintln!(
            "SKIPPED: {script} needs the packages `oci`, `oci-cli` and `jsonschema` (OCI_PYTHON names the interpreter)"
        );
        return;
    };
    // The scripts count what there is, which are no strangers.
    let world = World::with(&["--scenery", "plain"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(script);
    let output = Command::new(python)
        .arg(path)
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

#[test]
fn the_official_sdk_drives_the_sandbox() {
    conform("sdk.py");
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

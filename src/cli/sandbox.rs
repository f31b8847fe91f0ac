//! `deployctl sandbox`: a local OCI until Ctrl-C.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::args::{SandboxArgs, Scenery};
use super::exit::Exit;
use super::problem::Report;
use super::session::Session;
use super::signals::beside_signals;
use super::ui::Ui;
use crate::sandbox::{Handle, Options, Sandbox, Seed};

pub(super) async fn serve(session: &Session<'_>, args: SandboxArgs) -> Result<Exit, Report> {
    let home = args.home.clone();
    let options = Options {
        listen: args.listen,
        hosts: args.host,
        folder: args.folder,
        time_scale: args.time_scale,
        page_size: args.page_size,
        verify: !args.no_verify,
        seed: match args.scenery {
            _ if args.empty => Seed::Empty,
            Scenery::Plain => Seed::Webserver,
            Scenery::Crowded => Seed::Crowded,
        },
        habits: args.habit.into_iter().collect(),
    };
    let started = Sandbox::start(options).await;
    let sandbox = started.map_err(|error| Report::usage(format!("the sandbox cannot start: {error}")))?;
    if let Some(home) = &home {
        write_home(session, &sandbox, home)?;
    }
    let cancel = CancellationToken::new();
    let serving = async {
        // A reader of this message may press Ctrl-C at once, so signals are listened for already.
        announce(session.ui, &sandbox, args.listen.ip(), home.as_deref());
        cancel.cancelled().await;
    };
    beside_signals(&session.ui.quieter(), &cancel, serving).await?;
    sandbox.stop().await;
    Ok(Exit::Done)
}

/// Says where the sandbox is, and what the user can do with it.
fn announce(ui: &Ui, sandbox: &Handle, ip: IpAddr, home: Option<&Path>) {
    let url = sandbox.url();
    if !ip.is_loopback() {
        ui.warn(&format!(
            "{ip} is not a loopback address: whoever reaches it can read and change this sandbox, whose keys \
             everybody has"
        ));
    }
    if ui.is_json {
        ui.json(&json!({"url": url, "state": sandbox.state()}));
    } else {
        ui.out(&url);
        ui.note(&format!("state, faults and traffic are below {url}/sandbox/"));
        match home {
            Some(home) => ui.note(&format!(
                "in {}: HOME=$PWD deployctl start web.json; the `oci` CLI works the same way",
                home.display()
            )),
            None => ui.note("--home DIR writes credentials and a deployment file for it"),
        }
        ui.note("Ctrl-C stops it");
    }
}

/// Writes the files for signing in, and `web.json`, a deployment of version 2 over the seeded web server.
pub(super) fn write_home(session: &Session<'_>, sandbox: &Handle, home: &Path) -> Result<(), Report> {
    let failed = |error: std::io::Error| {
        let report = Report::usage(format!("{} cannot be the sandbox's home: {error}", home.display()));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => report.hint("name a folder of its own"),
            _ => report,
        }
    };
    std::fs::create_dir_all(home).map_err(failed)?;
    let text = format!("{:#}\n", deployment(&sandbox.state(), "2"));
    sandbox.write_home(home, &text).map_err(failed)?;
    if std::fs::read_to_string(home.join("web.json")).is_ok_and(|there| there != text) {
        session.ui.note("web.json was changed by hand, and is left as it is");
    }
    Ok(())
}

/// A deployment of `version` over the seeded web server.
pub(super) fn deployment(state: &Value, version: &str) -> Value {
    json!({
        "ci-config": {
            "display-name": "webserver",
            "availability-domain": state["availabilityDomain"],
            "compartment-id": state["compartmentId"],
            "shape": "CI.Standard.E4.Flex",
            "shape-config": {"ocpus": 1, "memory-in-g-bs": 2},
            "vnics": [{"subnet-id": state["subnetId"]}],
            "freeform-tags": {"env": "prod"},
            "containers": [{
                "display-name": "web",
                "image-url": format!("docker.io/library/httpd:{version}"),
                "environment-variables": {"GREETING": "hello"},
            }],
        },
        "ci-filter": {"display-name": "webserver", "lifecycle-state": "ACTIVE", "freeform-tags": {"env": "prod"}},
        "lb-filter": {"freeform-tags": {"env": "prod"}},
        "backends": [{"port": 80, "backend-set": "http"}],
        "drain-delay": "2s",
        "poll-interval": "250ms",
        "min-ready": "500ms",
    })
}

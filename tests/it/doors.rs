//! The sandbox's refusals: to overwrite somebody's files, to answer a web page, and to send its key elsewhere.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::harness::World;

/// Starts a sandbox with a home, and ends it once it has printed its URL.
#[track_caller]
fn made(world: &World, home: &str) {
    let command =
        world.command(&["sandbox", "--home", home]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut sandbox = command.expect("starts");
    let mut url = String::new();
    let stdout = sandbox.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut url).expect("it says where it is");
    sandbox.kill().expect("ours");
    sandbox.wait().expect("reaped");
    assert!(url.starts_with("http://"), "{home}: no sandbox: {url:?}");
    let config = fs::read_to_string(world.path(home).join(".oci/config")).expect("written");
    assert!(config.contains(&format!("endpoint={}", url.trim())), "{config}");
}

#[track_caller]
fn refused(world: &World, home: &str, names: &str) {
    let ran = world.run(&["sandbox", "--home", home]).expect(2);
    assert_eq!(ran.stdout, "", "it did not start");
    assert!(
        ran.stderr.contains(names) && ran.stderr.contains("nothing was written over it"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_the_sandbox_did_not_make_is_not_written_over() {
    let world = World::hurried();
    let foreign = "[DEFAULT]\nuser=ocid1.user.oc1..ann\n";
    for (n, file) in [".oci/config", ".oci/oci_cli_rc", ".oci/sandbox_key.pem", "principals.env", "web.json"]
        .into_iter()
        .enumerate()
    {
        let home = format!("foreign-{n}");
        let path = world.path(&home).join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, foreign).expect("written");
        refused(&world, &home, file);
        assert_eq!(fs::read_to_string(&path).expect("there"), foreign);
        let is_there = |name: &str| world.path(&home).join(name).exists();
        assert!(!is_there("principals.env") || file == "principals.env", "{file}: nothing else was written");
        assert!(!is_there(".oci/sessions"), "{file}: nothing else was made");
    }
    // A link to a file that exists, a link to one that does not, and a folder that is a link.
    let target = world.path("target");
    for exists in [true, false] {
        let home = format!("link-{exists}");
        fs::create_dir_all(world.path(&home).join(".oci")).expect("folders");
        if exists {
            fs::write(&target, foreign).expect("written");
        } else {
            fs::remove_file(&target).expect("removed");
        }
        symlink(&target, world.path(&home).join(".oci/config")).expect("a link");
        refused(&world, &home, ".oci/config is a link");
        assert_eq!(target.exists(), exists);
    }
    fs::create_dir_all(world.path("linked")).expect("folders");
    fs::create_dir_all(world.path("real")).expect("folders");
    symlink(world.path("real"), world.path("linked/.oci")).expect("a link");
    refused(&world, "linked", "linked/.oci");
    assert_eq!(fs::read_dir(world.path("real")).expect("there").count(), 0);
}

#[test]
fn a_home_of_its_own_is_renewed_until_somebody_changes_it() {
    let world = World::hurried();
    made(&world, "own");
    made(&world, "own");
    // A file that its user edits stays.
    let deployment = fs::read_to_string(world.path("own/web.json")).expect("written");
    let changed = deployment.replace("httpd:2", "httpd:3");
    fs::write(world.path("own/web.json"), &changed).expect("written");
    made(&world, "own");
    assert_eq!(fs::read_to_string(world.path("own/web.json")).expect("there"), changed);
    let config = fs::read_to_string(world.path("own/.oci/config")).expect("written");
    fs::write(world.path("own/.oci/config"), format!("{config}\n[PRODUCTION]\nuser=x\n")).expect("written");
    refused(&world, "own", "own/.oci/config");
}

/// The status of a request with exactly these headers.
fn status(url: &str, request: &str, headers: &[(&str, &str)]) -> u16 {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let text = format!("{request} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[test]
fn other_names_and_pages_of_other_sites_are_refused_everywhere() {
    let world = World::hurried();
    let own = world.url().trim_start_matches("http://").to_owned();
    let port = own.rsplit(':').next().expect("a port").to_owned();
    let list = format!(
        "/20170115/loadBalancers?compartmentId={}",
        world.state()["compartmentId"].as_str().expect("an id")
    );
    let local = format!("localhost:{port}");
    let (evil, origin) = (format!("evil.example:{port}"), format!("http://{own}"));
    for path in ["/sandbox/state", "/sandbox/audit", "/opc/v2/instance/region", &list] {
        let request = format!("GET {path}");
        let bearer = ("authorization", "Bearer Oracle");
        for host in [&own, &local] {
            assert_eq!(status(world.url(), &request, &[("host", host), bearer]), 200, "{host} {path}");
        }
        assert_eq!(
            status(world.url(), &request, &[("host", &own), ("origin", &origin), bearer]),
            200,
            "{path}"
        );
        for host in [evil.as_str(), "evil.example", "127.0.0.2:1", ""] {
            assert_eq!(status(world.url(), &request, &[("host", host), bearer]), 403, "{host} {path}");
        }
        for (name, value) in
            [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            assert_eq!(
                status(world.url(), &request, &[("host", &own), (name, value), bearer]),
                403,
                "{value} {path}"
            );
        }
    }
    let crash = "POST /sandbox/crash";
    assert_eq!(status(world.url(), crash, &[("host", &own), ("origin", "http://evil.example")]), 403);
    assert_eq!(status(world.url(), "DELETE /sandbox/habits", &[("host", &evil)]), 403);
    // The load balancer serves its users' own web site, under any name.
    let front = format!("http://{}", world.front());
    assert_eq!(status(&front, "GET /", &[("host", "shop.example"), ("origin", "http://other.example")]), 200);
}

#[test]
fn whoever_lets_others_reach_it_is_warned_and_may_give_it_a_name() {
    let world = World::hurried();
    let args = ["sandbox", "--listen", "0.0.0.0:0", "--host", "cloud", "--quiet"];
    let mut sandbox =
        world.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut url = String::new();
    BufReader::new(sandbox.stdout.take().expect("piped")).read_line(&mut url).expect("it says where it is");
    let port = url.trim().rsplit(':').next().expect("a port").to_owned();
    let at = format!("http://127.0.0.1:{port}");
    assert_eq!(status(&at, "GET /sandbox/state", &[("host", &format!("cloud:{port}"))]), 200);
    assert_eq!(status(&at, "GET /sandbox/state", &[("host", &format!("other:{port}"))]), 403);
    sandbox.kill().expect("ours");
    sandbox.wait().expect("reaped");
    let mut said = String::new();
    sandbox.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
    assert!(said.contains("0.0.0.0 is not a loopback address"), "{said}");
}

#[test]
fn the_key_of_a_sandbox_goes_to_no_other_host() {
    let world = World::signed();
    // No other file names the endpoint. Only the profile does.
    fs::remove_file(world.path(".oci/oci_cli_rc")).expect("the sandbox wrote it");
    let config = world.path(".oci/config").display().to_string();
    for flags in [&[][..], &["--region", "us-phoenix-1"], &["--profile", "SESSION"]] {
        let before = world.audit()["entries"].as_array().expect("entries").len();
        let mut command = world.command(&[&["plan", "web.json"], flags].concat());
        command.env_remove("DEPLOYCTL_ENDPOINT").env("OCI_CLI_CONFIG_FILE", &config);
        // Nothing would be resolved or sent to OCI, because the proxy does not exist.
        command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1");
        let output = command.output().expect("starts");
        assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(world.audit()["entries"].as_array().expect("entries").len() > before, "{flags:?}");
    }
    // The official CLI reads its own file.
    world.write(".oci/oci_cli_rc", &format!("[DEFAULT]\nendpoint={}\n", world.url()));
    world.write(".oci/config", &fs::read_to_string(&config).expect("there").replace("endpoint=", "other="));
    let output =
        world.command(&["plan", "web.json"]).env_remove("DEPLOYCTL_ENDPOINT").output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

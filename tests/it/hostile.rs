//! A hostile server in place of the cloud: terminal escapes, floods, deep nesting, endless lists, redirects, a wrong
//! certificate. The error is clear, the memory is bounded, and nothing reaches the terminal or another host.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::harness::{Ran, World};

/// A test's server: it answers each request with what `answer` writes, and closes the connection.
struct Hostile {
    url: String,
    n_requests: Arc<AtomicUsize>,
}

impl Hostile {
    fn serve(answer: impl Fn(usize, &str, &mut dyn Write) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let n_requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&n_requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let n = count.fetch_add(1, Ordering::Relaxed);
                let head = head_of(&stream);
                let mut stream = stream;
                answer(n, &head, &mut stream);
            }
        });
        Self { url, n_requests }
    }

    fn n_requests(&self) -> usize {
        self.n_requests.load(Ordering::Relaxed)
    }
}

fn head_of(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    head
}

/// Writes to a client that may have hung up.
fn send(stream: &mut dyn Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

fn json_answer(stream: &mut dyn Write, headers: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    if send(stream, head.as_bytes()) {
        send(stream, body.as_bytes());
    }
}

/// A deployment with little patience, and `plan` of it against the server.
fn plan(world: &World, url: &str) -> Ran {
    let mut deployment = world.deployment();
    deployment["retry"] = json!({"initial-interval": "5ms", "max-interval": "20ms", "max-elapsed": "300ms"});
    deployment["request-timeout"] = json!("20s");
    world.write_deployment(&deployment);
    world.run(&["plan", "deployment.json", "--endpoint", url])
}

#[track_caller]
fn expect_error(ran: &Ran, codes: &[i32], message: &str) {
    assert!(codes.contains(&ran.code), "exit {}: {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
}

#[test]
fn a_flood_is_cut_off_and_takes_no_memory() {
    let world = World::hurried();
    for with_length in [true, false] {
        let flood = Hostile::serve(move |_, _, stream| {
            let length = if with_length { "content-length: 104857600\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}connection: close\r\n\r\n[\""
            );
            let mut goes_on = send(stream, head.as_bytes());
            let block = vec![b'x'; 65_536];
            for _ in 0..1_600 {
                goes_on = goes_on && send(stream, &block);
            }
        });
        world.write_deployment(&world.deployment());
        let mut child = world
            .command(&["plan", "deployment.json", "--endpoint", &flood.url])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let peak = peak_of(&world, &mut child);
        let mut stderr = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
        let ran =
            Ran { code: child.wait().expect("ends").code().unwrap_or(-1), stdout: String::new(), stderr };
        expect_error(&ran, &[2], "is larger than");
        assert!(peak < 100_000, "{peak} kB of memory");
        assert_eq!(flood.n_requests(), 1, "it is not asked for again");
    }
}

/// The most memory that the process ever used, in kB, according to the kernel.
fn peak_of(world: &World, child: &mut std::process::Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let peak = Mutex::new(0);
    world.wait_until("the process ends", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let now = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let mut peak = peak.lock().unwrap_or_else(PoisonError::into_inner);
        *peak = now.unwrap_or(0).max(*peak);
        child.try_wait().expect("a child of ours").is_some()
    });
    peak.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn json_that_is_too_deep_is_an_error() {
    let world = World::hurried();
    let deep = Hostile::serve(|_, _, stream| json_answer(stream, "", &"[".repeat(100_000)));
    expect_error(&plan(&world, &deep.url), &[75], "the answer cannot be read: recursion limit exceeded");
}

#[test]
fn a_list_without_end_is_given_up() {
    let world = World::hurried();
    let endless = Hostile::serve(|n, _, stream| {
        json_answer(stream, &format!("opc-next-page: page-{n}\r\n"), "[]");
    });
    expect_error(&plan(&world, &endless.url), &[2], "more than 1000 pages");
    assert!(endless.n_requests() <= 1_000, "{}", endless.n_requests());
    let circle = Hostile::serve(|_, _, stream| json_answer(stream, "opc-next-page: same\r\n", "[]"));
    expect_error(&plan(&world, &circle.url), &[2], "a page names itself as the next");
    let page = json!([{"id": "x".repeat(8 << 20)}]).to_string();
    let heavy = Hostile::serve(move |n, _, stream| {
        json_answer(stream, &format!("opc-next-page: page-{n}\r\n"), &page);
    });
    expect_error(&plan(&world, &heavy.url), &[2], "more than 64 MB");
}

#[test]
fn a_redirect_is_never_followed_and_never_signed_for() {
    let world = World::hurried();
    let other = Hostile::serve(|_, _, stream| json_answer(stream, "", "[]"));
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!(
            "HTTP/1.1 {status}\r\nlocation: {}/steal\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            other.url
        );
        let redirect = Hostile::serve(move |_, _, stream| {
            send(stream, location.as_bytes());
        });
        let ran = plan(&world, &redirect.url);
        expect_error(&ran, &[2], &other.url);
        assert_eq!(redirect.n_requests(), 1, "{status}");
    }
    assert_eq!(other.n_requests(), 0, "the other host got a request");
}

#[test]
fn names_and_messages_with_escapes_do_not_reach_the_terminal() {
    let world = World::hurried();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}evil\r";
    let refusing = Hostile::serve(move |_, _, stream| {
        let body = json!({"code": evil, "message": evil}).to_string();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nopc-request-id: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        send(stream, head.as_bytes());
    });
    let naming = Hostile::serve(move |_, head, stream| {
        let body = if head.contains("containerInstances/") {
            json!({"id": evil, "displayName": evil, "lifecycleState": "ACTIVE", "freeformTags": {}, "containers": [], "vnics": []})
        } else if head.contains("loadBalancers/") {
            json!({"id": evil, "displayName": evil, "lifecycleState": "ACTIVE"})
        } else if head.contains("loadBalancers") {
            json!([{"id": evil, "displayName": evil, "freeformTags": {"env": "prod"}, "lifecycleState": "ACTIVE"}])
        } else {
            json!({"items": [{"id": evil, "displayName": "webserver", "lifecycleState": "ACTIVE", "freeformTags": {"env": "prod"}},
                {"id": "b", "displayName": "webserver", "lifecycleState": "ACTIVE", "freeformTags": {"env": "prod"}}]})
        };
        json_answer(stream, "", &body.to_string());
    });
    for url in [&refusing.url, &naming.url] {
        let ran = plan(&world, url);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("evil"), "{}", ran.stderr);
        expect_harmless(&ran);
        // The same in a run, in its history, and as JSON.
        let shown: [&[&str]; 4] = [
            &["start", "deployment.json", "--endpoint", url],
            &["history", "latest", "--events"],
            &["history"],
            &["history", "latest", "--output", "json"],
        ];
        for args in shown {
            expect_harmless(&world.run(args));
        }
    }
}

#[track_caller]
fn expect_harmless(ran: &Ran) {
    let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(is_bad), "{text:?}");
    }
}

#[test]
fn a_certificate_that_does_not_verify_is_an_error_at_once() {
    let world = World::hurried();
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("testdata/stranger.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/stranger.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let handshakes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handshakes);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            count.fetch_add(1, Ordering::Relaxed);
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
            // The client's alert ends this.
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        }
    });
    let ran = plan(&world, &url);
    expect_error(&ran, &[2], "certificate");
    assert_eq!(handshakes.load(Ordering::Relaxed), 1, "retried, it would look like a hang");
    let as_json =
        world.run(&["plan", "deployment.json", "--endpoint", &url, "--output", "json"]).expect(2).json();
    assert!(
        matches!(&as_json["error"]["message"], Value::String(text) if text.contains("certificate")),
        "{as_json}"
    );
}

//! A private certificate authority is trusted if it is named: a TLS server in front of the sandbox has a certificate from
//! one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::refused;
use crate::harness::World;

const CERTIFICATE: &[u8] = include_bytes!("../testdata/tls_cert.pem");
const KEY: &[u8] = include_bytes!("../testdata/tls_key.pem");

/// Serves the sandbox over TLS until the test process ends. Returns the URL.
fn by_tls(url: &str) -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sandbox = url.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let sandbox = TcpStream::connect(&sandbox).expect("the sandbox listens");
            std::thread::spawn(move || relay(StreamOwned::new(connection, stream), sandbox));
        }
    });
    format!("https://{address}")
}

/// Passes requests on and answers back, one at a time, until either side closes.
fn relay(mut client: StreamOwned<ServerConnection, TcpStream>, mut sandbox: TcpStream) {
    while let Some(request) = message(&mut client) {
        sandbox.write_all(&request).expect("sent");
        let Some(answer) = message(&mut sandbox) else { return };
        if client.write_all(&answer).and_then(|()| client.flush()).is_err() {
            return;
        }
    }
}

/// One HTTP message: its head, and a body of the announced length.
fn message(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).ok()?;
    bytes.append(&mut body);
    Some(bytes)
}

#[test]
fn only_the_named_authorities_are_trusted() {
    let mut world = World::signed();
    let url = by_tls(world.url());
    let plan = ["plan", "web.json", "--endpoint", &url];
    let ran = world.run(&plan).expect(2);
    assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/testdata/tls_ca.pem");
    let bundle = bundle.display().to_string();
    for variable in ["OCI_CLI_CERT_BUNDLE", "REQUESTS_CA_BUNDLE"] {
        world.set_environment([(variable, bundle.clone())]);
        world.run(&plan).expect(0);
    }
    world.set_environment([]);
    world.write(".oci/oci_cli_rc", &format!("[DEFAULT]\ncert-bundle={bundle}\n"));
    world.run(&plan).expect(0);
    world.set_environment([("OCI_CLI_CERT_BUNDLE", "/nowhere/ca.pem".to_owned())]);
    refused(&world, &[], &["cannot read the certificate bundle /nowhere/ca.pem", "OCI_CLI_CERT_BUNDLE"]);
    let config = world.path(".oci/config").display().to_string();
    world.set_environment([("OCI_CLI_CERT_BUNDLE", config)]);
    refused(&world, &[], &["is not a PEM file with certificates"]);
}

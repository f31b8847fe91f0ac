//! As much HTTP as the sandbox's own pages need.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

pub(super) fn get(url: &str, path: &str) -> Value {
    serde_json::from_str(&ask(url, "GET", path, "")).expect("JSON")
}

pub(super) fn post(url: &str, path: &str, body: &Value) -> String {
    ask(url, "POST", path, &body.to_string())
}

pub(super) fn put(url: &str, path: &str, body: &Value) {
    ask(url, "PUT", path, &body.to_string());
}

pub(super) fn delete(url: &str, path: &str) {
    ask(url, "DELETE", path, "");
}

fn ask(url: &str, method: &str, path: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the sandbox listens");
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let is_good = [" 200 ", " 202 ", " 204 "].iter().any(|status| head.contains(status));
    assert!(is_good, "{method} {path}: {answer}");
    body.to_owned()
}

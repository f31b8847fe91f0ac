//! An HTTP client that is just enough for the sandbox's own pages.

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
    let answer = call(url, method, path, &[], body);
    assert!(matches!(answer.status, 200 | 202 | 204), "{method} {path}: {answer:?}");
    answer.body
}

/// Any answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header. Empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(super) fn call(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).expect("the sandbox listens");
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

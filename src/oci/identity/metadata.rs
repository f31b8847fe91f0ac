//! The metadata service of a compute instance (IMDS v2): its region, and the certificate that identifies it.
//!
//! Requests carry `Authorization: Bearer Oracle`. They go to the link-local address, or to `OCI_METADATA_BASE_URL` if that is
//! set (`instance_principals_security_token_signer.py`).

use std::net::UdpSocket;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::certificate::{Certificate, der_of};
use super::key::read_key;
use crate::oci::call::Service;
use crate::oci::error::{OciError, TransportKind};
use crate::oci::http::{Asked, Http, request_id};
use crate::oci::region::Region;
use crate::oci::signer::SigningKey;

const IPV4: &str = "http://169.254.169.254/opc/v2";
const IPV6: &str = "http://[fd00:c1::a9fe:a9fe]/opc/v2";
/// The service is known to answer 404, 429 and 5xx for a while (`certificate_retriever.py` makes eight attempts).
const ATTEMPTS: u32 = 8;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// The metadata service.
#[derive(Debug)]
pub(super) struct Metadata {
    http: Http,
    bases: Vec<String>,
}

/// The certificate and key that identify the instance.
#[derive(Debug)]
pub(super) struct InstanceIdentity {
    pub(super) certificate: Certificate,
    pub(super) key: SigningKey,
    /// The intermediate certificate, as base64 without armour.
    pub(super) intermediate: String,
}

impl Metadata {
    pub(super) fn new(http: Http, base_url: Option<&str>) -> Self {
        let bases = match base_url.map(str::trim).filter(|url| !url.is_empty()) {
            Some(url) => vec![url.trim_end_matches('/').to_owned()],
            // To connect a datagram socket sends nothing. It only asks the kernel for a route.
            None if has_ipv4_route() => vec![IPV4.to_owned()],
            None => vec![IPV6.to_owned(), IPV4.to_owned()],
        };
        Self { http, bases }
    }

    /// The region of the instance, by its name or short code. If this binary does not know the region, the service is also
    /// asked for its realm.
    pub(super) async fn region(&self) -> Result<Region, OciError> {
        let unreadable = |detail: String| OciError::Decode {
            service: Service::InstanceMetadata,
            operation: "GetRegion",
            detail,
            request_id: "none".to_owned(),
        };
        let name = self.retrying("GetRegion", "/instance/region").await?;
        let name = name.expose_secret().trim().to_ascii_lowercase();
        if Region::is_known(&name) {
            return Region::parse(&name).map_err(|error| unreadable(error.to_string()));
        }
        let info = self.retrying("GetRegionInfo", "/instance/regionInfo").await?;
        let info: serde_json::Value =
            serde_json::from_str(info.expose_secret()).map_err(|error| unreadable(error.to_string()))?;
        let field = |name: &str| info.get(name).and_then(serde_json::Value::as_str);
        let full = match (field("regionIdentifier"), field("realmDomainComponent")) {
            (Some(region), Some(domain)) => format!("{region}.{domain}"),
            (Some(_) | None, _) => name,
        };
        Region::parse(&full).map_err(|error| unreadable(error.to_string()))
    }

    /// The certificate with its key. If the two do not belong together, the certificate was rotated between the two answers,
    /// and both are read again.
    pub(super) async fn identity(&self) -> Result<InstanceIdentity, OciError> {
        let mut last = None;
        for _ in 0..3 {
            match self.identity_as_it_is().await {
                Err(error @ OciError::Decode { .. }) => last = Some(error),
                answered => return answered,
            }
        }
        Err(last.expect("the loop is left early or has failed"))
    }

    async fn identity_as_it_is(&self) -> Result<InstanceIdentity, OciError> {
        let unreadable = |what: &str, detail: &dyn std::fmt::Display| OciError::Decode {
            service: Service::InstanceMetadata,
            operation: "GetIdentity",
            detail: format!("{what}: {detail}"),
            request_id: "none".to_owned(),
        };
        let leaf = self.retrying("GetCertificate", "/identity/cert.pem").await?;
        let key = self.retrying("GetPrivateKey", "/identity/key.pem").await?;
        let intermediate = self.retrying("GetIntermediate", "/identity/intermediate.pem").await?;
        let certificate =
            Certificate::parse(leaf.expose_secret()).map_err(|error| unreadable("cert.pem", &error))?;
        let key = read_key(key.expose_secret(), None).map_err(|error| unreadable("key.pem", &error))?;
        if key.public_der() != certificate.public_key {
            return Err(unreadable("key.pem", &"it is not the key of cert.pem"));
        }
        let intermediate = der_of(intermediate.expose_secret())
            .ok_or_else(|| unreadable("intermediate.pem", &"it is not a PEM certificate"))?;
        Ok(InstanceIdentity { certificate, key, intermediate: STANDARD.encode(intermediate) })
    }

    async fn retrying(&self, operation: &'static str, path: &str) -> Result<SecretString, OciError> {
        let mut delay = FIRST_DELAY;
        for _ in 1..ATTEMPTS {
            match self.get(operation, path).await {
                Err(error) if matches!(error.status(), Some(404 | 429 | 500..=599)) => {
                    tracing::info!(%error, "the metadata service is asked again");
                    self.http.clock().sleep(delay).await;
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
                answered => return answered,
            }
        }
        self.get(operation, path).await
    }

    /// Sends the request to the first address that accepts a connection.
    async fn get(&self, operation: &'static str, path: &str) -> Result<SecretString, OciError> {
        let mut answered = self.get_at(&self.bases[0], operation, path).await;
        for base in &self.bases[1..] {
            if !matches!(&answered, Err(OciError::Transport { kind: TransportKind::Connect, .. })) {
                break;
            }
            answered = self.get_at(base, operation, path).await;
        }
        answered
    }

    async fn get_at(
        &self,
        base: &str,
        operation: &'static str,
        path: &str,
    ) -> Result<SecretString, OciError> {
        let service = Service::InstanceMetadata;
        let url = format!("{base}{path}");
        let parsed = reqwest::Url::parse(&url).map_err(|error| OciError::Transport {
            service,
            operation,
            url: url.clone(),
            kind: TransportKind::Connect,
            detail: error.to_string(),
        })?;
        let mut request = reqwest::Request::new(reqwest::Method::GET, parsed);
        let authorization = reqwest::header::HeaderValue::from_static("Bearer Oracle");
        request.headers_mut().insert("authorization", authorization);
        let asked = Asked { service, operation, url: &url, request_id: &request_id() };
        let answer = self.http.exchange(asked, request).await?;
        let request_id = answer.request_id;
        // One of the answers is a private key, so no copy of it may stay in memory.
        let body = Zeroizing::new(answer.body);
        std::str::from_utf8(&body).map(SecretString::from).map_err(|_| OciError::Decode {
            service,
            operation,
            detail: "it is not text".to_owned(),
            request_id,
        })
    }
}

fn has_ipv4_route() -> bool {
    UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("169.254.169.254:80")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    /// An instance in a region that is newer than this binary. It answers only requests with the header.
    fn instance_in_a_new_region() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let reader = BufReader::new(stream.try_clone().expect("a socket"));
                let head: Vec<String> =
                    reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let is_asked_well = head.iter().any(|line| line == "authorization: Bearer Oracle");
                let body = match head.first().map(String::as_str) {
                    Some("GET /opc/v2/instance/region HTTP/1.1") if is_asked_well => "xyz\n",
                    Some("GET /opc/v2/instance/regionInfo HTTP/1.1") if is_asked_well => {
                        r#"{"regionIdentifier": "xx-new-1", "realmDomainComponent": "oraclecloud99.com"}"#
                    }
                    _ => "",
                };
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).expect("sent");
            }
        });
        format!("http://{address}/opc/v2")
    }

    #[tokio::test]
    async fn a_new_region_is_looked_up_at_the_first_address_that_answers() {
        let http = Http::on_the_link(Clock::system()).expect("TLS");
        let bases = vec!["http://127.0.0.1:1/opc/v2".to_owned(), instance_in_a_new_region()];
        let region = Metadata { http, bases }.region().await.expect("it says");
        assert_eq!((region.to_string().as_str(), region.domain()), ("xx-new-1", "oraclecloud99.com"));
    }

    #[test]
    fn a_base_that_is_named_is_the_only_one() {
        let http = Http::on_the_link(Clock::system()).expect("TLS");
        let bases = |named| Metadata::new(http.clone(), named).bases;
        assert_eq!(bases(Some(" http://127.0.0.1:9/opc/v2/ ")), ["http://127.0.0.1:9/opc/v2"]);
        assert_eq!(bases(Some(" ")), bases(None));
        assert!(bases(None).contains(&IPV4.to_owned()));
    }
}

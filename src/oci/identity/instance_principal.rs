//! Instance principals: the instance's certificate is exchanged for a token. The token is bound to a fresh key, which lives
//! as long as the token (`federation_client.py`). With a delegation token, the instance acts on behalf of a user.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::SignInError;
use super::metadata::{InstanceIdentity, Metadata};
use super::signing::Signing;
use super::token::{MARGIN, Token};
use crate::file::read_text;
use crate::oci::call::Service;
use crate::oci::endpoint::{Endpoint, Endpoints};
use crate::oci::error::{OciError, TransportKind, clean};
use crate::oci::http::{Asked, Http, SetupError, put, request_id};
use crate::oci::region::Region;
use crate::oci::signer::{self, SigningKey, Unsigned};

const OPERATION: &str = "GetSecurityToken";

/// How an instance signs in.
#[derive(Clone, Debug, Default)]
pub struct InstanceOptions {
    /// The base URL of the metadata service. Its link-local address if absent.
    pub metadata_base_url: Option<String>,
    /// The full URL of the service that issues tokens. The region's service if absent.
    pub federation_endpoint: Option<Endpoint>,
    /// The file with the token of the user on whose behalf the instance acts.
    pub delegation_token_file: Option<PathBuf>,
}

/// An instance that signs in with its certificate.
#[derive(Debug)]
pub struct InstancePrincipal {
    http: Http,
    metadata: Metadata,
    options: InstanceOptions,
    /// Held while a token is fetched, so that two simultaneous calls fetch only one.
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    token: Token,
    tenancy: String,
    signing: Arc<Signing>,
}

impl InstancePrincipal {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(http: Http, options: InstanceOptions) -> Result<Self, SetupError> {
        let metadata = Metadata::new(Http::on_the_link(http.clock())?, options.metadata_base_url.as_deref());
        Ok(Self { http, metadata, options, current: Mutex::new(None) })
    }

    /// The region of the instance.
    ///
    /// # Errors
    /// When the metadata service does not return it.
    pub async fn region(&self) -> Result<Region, SignInError> {
        Ok(self.metadata.region().await?)
    }

    /// The tenancy of the instance, once it has signed in.
    pub(super) async fn tenancy(&self) -> Option<String> {
        self.current.lock().await.as_ref().map(|current| current.tenancy.clone())
    }

    /// The key and token to sign with now. A minute before the token expires, a new one is fetched.
    pub(super) async fn signing(&self) -> Result<Arc<Signing>, SignInError> {
        let mut current = self.current.lock().await;
        if let Some(current) = &*current
            && !current.token.ends_within(MARGIN, self.http.clock().now())
        {
            return Ok(Arc::clone(&current.signing));
        }
        self.renew(&mut current).await
    }

    /// The key and token to sign with after the service refused `refused`.
    pub(super) async fn renewed(&self, refused: &Arc<Signing>) -> Result<Arc<Signing>, SignInError> {
        let mut current = self.current.lock().await;
        match &*current {
            // Another call has renewed the token meanwhile.
            Some(current) if !Arc::ptr_eq(&current.signing, refused) => Ok(Arc::clone(&current.signing)),
            Some(_) | None => self.renew(&mut current).await,
        }
    }

    /// Fetches everything again, because certificates are rotated. Only the tenancy must stay the same.
    async fn renew(&self, current: &mut Option<Current>) -> Result<Arc<Signing>, SignInError> {
        let obo_token = self.obo_token()?;
        let instance = self.metadata.identity().await?;
        let tenancy = instance.certificate.tenancy.clone();
        if let Some(before) = current.as_ref().filter(|before| before.tenancy != tenancy) {
            return Err(SignInError::TenancyChanged { before: before.tenancy.clone(), now: tenancy });
        }
        let key = session_key().await?;
        let token = self.token(&instance, &key).await?;
        let signing = Arc::new(Signing { key_id: token.key_id(), key, obo_token });
        *current = Some(Current { token, tenancy, signing: Arc::clone(&signing) });
        Ok(signing)
    }

    /// Reads the delegation token. It is read each time, because other programs renew its file.
    fn obo_token(&self) -> Result<Option<SecretString>, SignInError> {
        let Some(path) = &self.options.delegation_token_file else { return Ok(None) };
        let text =
            read_text(path).map_err(|source| SignInError::Unreadable { path: path.clone(), source })?;
        let text = text.trim();
        if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(SignInError::DelegationToken { path: path.clone() });
        }
        Ok(Some(text.into()))
    }

    async fn endpoint(&self) -> Result<String, SignInError> {
        match &self.options.federation_endpoint {
            Some(endpoint) => Ok(endpoint.base().to_owned()),
            None => Ok(format!("{}/v1/x509", Endpoints::Of(self.region().await?).base(Service::Auth))),
        }
    }

    /// Exchanges the certificate for a token that is bound to `key`.
    async fn token(&self, instance: &InstanceIdentity, key: &SigningKey) -> Result<Token, SignInError> {
        let url = self.endpoint().await?;
        let body = json!({
            "certificate": instance.certificate.base64(),
            "publicKey": STANDARD.encode(key.public_der()),
            "intermediateCertificates": [instance.intermediate],
        });
        let id = request_id();
        let request = self.request(&url, &id, instance, body.to_string().into_bytes())?;
        let asked = Asked { service: Service::Auth, operation: OPERATION, url: &url, request_id: &id };
        let answer = self.http.exchange(asked, request).await?;
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let token = json.as_ref().and_then(|json| json.get("token")).and_then(Value::as_str);
        let unreadable = |detail: String| OciError::Decode {
            service: Service::Auth,
            operation: OPERATION,
            detail,
            request_id: answer.request_id.clone(),
        };
        let token = token.ok_or_else(|| unreadable("there is no token in it".to_owned()))?;
        Ok(Token::parse(token).map_err(|error| unreadable(error.to_string()))?)
    }

    /// The only request whose signature does not cover the host.
    fn request(
        &self,
        url: &str,
        id: &str,
        instance: &InstanceIdentity,
        body: Vec<u8>,
    ) -> Result<reqwest::Request, OciError> {
        let unsendable = |detail: String| OciError::Transport {
            service: Service::Auth,
            operation: OPERATION,
            url: clean(url, 200),
            kind: TransportKind::Connect,
            detail,
        };
        let parsed = reqwest::Url::parse(url).map_err(|error| unsendable(error.to_string()))?;
        let target = match parsed.query() {
            Some(query) => format!("{}?{query}", parsed.path()),
            None => parsed.path().to_owned(),
        };
        let date = self.http.date();
        let certificate = &instance.certificate;
        let key_id = format!("{}/fed-x509/{}", certificate.tenancy, certificate.fingerprint());
        let signed = signer::sign(
            Unsigned {
                method: "post",
                target: &target,
                host: None,
                date: &date,
                obo_token: None,
                body: Some(&body),
            },
            &key_id,
            &instance.key,
        );
        let mut request = reqwest::Request::new(reqwest::Method::POST, parsed);
        let headers = [
            ("date", date.as_str()),
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("content-length", &body.len().to_string()),
            ("opc-request-id", id),
            ("authorization", &signed.authorization),
            ("x-content-sha256", signed.content_sha256.as_deref().unwrap_or_default()),
        ];
        for (name, value) in headers {
            put(&mut request, name, value).map_err(unsendable)?;
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }
}

/// Generating a key takes a while, and the lease must be renewed meanwhile.
async fn session_key() -> Result<SigningKey, SignInError> {
    let made = tokio::task::spawn_blocking(SigningKey::generate).await;
    made.ok().and_then(Result::ok).ok_or(SignInError::NoSessionKey)
}

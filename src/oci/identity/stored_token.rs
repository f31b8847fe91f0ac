//! A token and its key that other programs keep fresh: the session that `oci session authenticate` began, and the resource
//! principal of version 2.2, whose files the platform renews (`ephemeral_resource_principals_signer.py`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::error::SignInError;
use super::key::read_key;
use super::signing::Signing;
use super::token::{MARGIN, Token};
use crate::clock::Clock;
use crate::file::read_text;

/// Where a secret is: in a text itself, or in the file that the text names.
#[derive(Clone, Debug)]
pub enum Source {
    /// The secret itself, with the name of the variable that held it.
    Value(&'static str, SecretString),
    /// A file, which is read again when it may have changed.
    File(PathBuf),
}

impl Source {
    /// Reads a variable of the resource principal: an absolute path names a file, and any other text is the value.
    pub fn of_variable(name: &'static str, text: &str) -> Self {
        if Path::new(text).is_absolute() {
            Self::File(PathBuf::from(text))
        } else {
            Self::Value(name, text.into())
        }
    }

    fn read(&self) -> Result<SecretString, SignInError> {
        match self {
            Self::Value(_, text) => Ok(text.clone()),
            Self::File(path) => read_text(path)
                .map(|text| SecretString::from(text.as_str()))
                .map_err(|source| SignInError::Unreadable { path: path.clone(), source }),
        }
    }

    /// The place, for messages.
    fn place(&self) -> String {
        match self {
            Self::Value(name, _) => (*name).to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Where a token and its key come from.
#[derive(Debug)]
pub struct StoredToken {
    /// The token.
    pub token: Source,
    /// The private key.
    pub key: Source,
    /// The pass phrase of the key.
    pub pass_phrase: Option<Source>,
    /// What a user whose token has expired can do.
    pub advice: String,
}

/// What to do if the service refuses a token that has not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenRefused {
    /// Read it again at once, because the platform may have renewed it.
    ReadAgain,
    /// Tell the user, because nobody else can help.
    TellTheUser,
}

/// A stored token that was read and will be read again.
#[derive(Debug)]
pub struct Reading {
    stored: StoredToken,
    clock: Clock,
    when_refused: WhenRefused,
    current: Mutex<(Token, Arc<Signing>)>,
}

impl Reading {
    /// # Errors
    /// When the token or the key cannot be read, or the token has expired.
    pub(super) fn new(
        stored: StoredToken,
        when_refused: WhenRefused,
        clock: Clock,
    ) -> Result<Self, SignInError> {
        let current = stored.read()?;
        stored.check(&current.0, clock)?;
        Ok(Self { stored, clock, when_refused, current: Mutex::new(current) })
    }

    /// The key and token to sign with now. A token that expires soon is read again, because its file may hold a newer one.
    pub(super) async fn signing(&self) -> Result<Arc<Signing>, SignInError> {
        let mut current = self.current.lock().await;
        if current.0.ends_within(MARGIN, self.clock.now()) {
            *current = self.stored.read()?;
            self.stored.check(&current.0, self.clock)?;
        }
        Ok(Arc::clone(&current.1))
    }

    /// The key and token to sign with after the service refused the present ones. `None` if there can be no others.
    pub(super) async fn renewed(&self) -> Result<Option<Arc<Signing>>, SignInError> {
        if self.when_refused == WhenRefused::TellTheUser || matches!(self.stored.token, Source::Value(..)) {
            return Ok(None);
        }
        let mut current = self.current.lock().await;
        *current = self.stored.read()?;
        self.stored.check(&current.0, self.clock)?;
        Ok(Some(Arc::clone(&current.1)))
    }

    /// The tenancy, if the token names it.
    pub(super) async fn tenancy(&self) -> Option<String> {
        self.current.lock().await.0.tenancy().map(ToOwned::to_owned)
    }

    pub(super) fn advice(&self) -> &str {
        &self.stored.advice
    }
}

impl StoredToken {
    fn read(&self) -> Result<(Token, Arc<Signing>), SignInError> {
        let pem = self.key.read()?;
        let pass_phrase = self.pass_phrase.as_ref().map(Source::read).transpose()?;
        // A file ends with a line break, which is not part of the pass phrase.
        let pass_phrase = pass_phrase.map(|text| SecretString::from(text.expose_secret().trim_end()));
        let key = read_key(pem.expose_secret(), pass_phrase.as_ref())
            .map_err(|source| SignInError::Key { place: self.key.place(), source })?;
        let token = Token::parse(self.token.read()?.expose_secret())
            .map_err(|source| SignInError::Token { place: self.token.place(), source })?;
        let signing = Signing { key_id: token.key_id(), key, obo_token: None };
        Ok((token, Arc::new(signing)))
    }

    /// Refuses an expired token before anything is sent with it.
    fn check(&self, token: &Token, clock: Clock) -> Result<(), SignInError> {
        if token.ends_within(std::time::Duration::ZERO, clock.now()) {
            return Err(SignInError::Expired {
                place: self.token.place(),
                at: token.expires_at(),
                advice: self.advice.clone(),
            });
        }
        Ok(())
    }
}

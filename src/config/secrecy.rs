//! Decides which parts of a specification are secret: by their place, not by their origin.
//!
//! An image, a name, a tag, a shape and an address are never secret, whatever they came from. Always secret are the values of
//! environment variables, the contents of files, credentials, the headers of health checks and the passwords within URLs. Any
//! other value is secret if it came from the environment of this program. A command or an argument is secret where it repeats
//! any of these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{Cut, MASK, Secrets, passwords};

/// The fields of an instance that are always shown, with everything below them.
const SHOWN: [&str; 20] = [
    "availabilityDomain",
    "backendSet",
    "compartmentId",
    "containerRestartPolicy",
    "definedTags",
    "displayName",
    "faultDomain",
    "freeformTags",
    "hostnameLabel",
    "imageUrl",
    "name",
    "nsgIds",
    "port",
    "privateIp",
    "registryEndpoint",
    "secretId",
    "secretType",
    "shape",
    "shapeConfig",
    "subnetId",
];

/// What makes a part of a specification secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secrecy {
    /// Its origin: it came from the environment, whatever its place. So it was in the version before.
    #[default]
    ByOrigin,
    /// Its place.
    ByPlace,
}

impl Secrecy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_by_origin(&self) -> bool {
        *self == Self::ByOrigin
    }
}

/// How the value at a place is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Shown.
    Open,
    /// Masked completely.
    Secret,
    /// A file's content in base64: masked completely.
    File,
    /// Masked where it repeats a secret.
    Repeating,
    /// Masked if it came from the environment.
    ByOrigin,
}

impl Standing {
    fn below(self, path: &[&str], name: &str) -> Self {
        match (self, path, name) {
            (Self::Open | Self::Secret | Self::File | Self::Repeating, ..) => self,
            (_, ["containers"], "environmentVariables")
            | (_, ["containers", "healthChecks", "headers"], "value")
            | (_, ["imagePullSecrets"], "username" | "password") => Self::Secret,
            (_, ["volumes", "configs"], "data") => Self::File,
            (_, ["containers"], "command" | "arguments") => Self::Repeating,
            // The name of a header or of a volume. In an unknown model, it is unknown what a name is.
            _ if SHOWN.contains(&name) => Self::Open,
            _ => Self::ByOrigin,
        }
    }
}

/// Every secret text of a specification, and the decoded content of those in base64. `from_environment` are the texts in it
/// that came from the environment.
pub fn secret_texts(instance: &Value, from_environment: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    visit(instance, &mut Vec::new(), Standing::ByOrigin, &mut |standing, text| match standing {
        Standing::Secret | Standing::File => {
            let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            found.extend(decoded);
            found.push(text.to_owned());
        }
        Standing::ByOrigin | Standing::Repeating if is_one_of(text, from_environment) => {
            found.push(text.to_owned());
        }
        Standing::Open | Standing::ByOrigin | Standing::Repeating => found.extend(passwords(text)),
    });
    found
}

/// A specification with its secrets masked.
pub fn masked_instance(instance: &Value, from_environment: &[String]) -> Value {
    let secrets: Secrets = secret_texts(instance, from_environment).iter().collect();
    let mut masked = instance.clone();
    replace(&mut masked, &mut Vec::new(), Standing::ByOrigin, &|standing, text| match standing {
        Standing::Secret | Standing::File => MASK.to_owned(),
        Standing::ByOrigin | Standing::Repeating if is_one_of(text, from_environment) => MASK.to_owned(),
        Standing::Repeating => secrets.masked(text, Cut::End),
        Standing::Open | Standing::ByOrigin => without_passwords(text),
    });
    masked
}

/// The images of a specification, as they are written there; a digest is known where the reference has it. Passwords within
/// URLs are masked.
pub fn images(instance: &Value) -> Vec<String> {
    let containers = instance["containers"].as_array().into_iter().flatten();
    containers.filter_map(|container| container["imageUrl"].as_str()).map(without_passwords).collect()
}

/// The places at which `masked` differs from the specification: `containers[0].command[1]`.
pub fn masked_places(instance: &Value, masked: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differing(instance, masked, String::new(), &mut found);
    found
}

fn differing(instance: &Value, masked: &Value, at: String, found: &mut Vec<String>) {
    match (instance, masked) {
        (Value::Object(map), Value::Object(other)) => {
            for (name, value) in map {
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                differing(value, &other[name], below, found);
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for (n, (item, other)) in items.iter().zip(others).enumerate() {
                differing(item, other, format!("{at}[{n}]"), found);
            }
        }
        _ if instance != masked => found.push(at),
        _ => {}
    }
}

/// Masks the password within a URL.
fn without_passwords(text: &str) -> String {
    let long_first = |password: &String| std::cmp::Reverse(password.len());
    let mut passwords = passwords(text);
    passwords.sort_by_key(long_first);
    passwords
        .iter()
        .filter(|password| !password.is_empty())
        .fold(text.to_owned(), |text, password| text.replace(&format!("{password}@"), &format!("{MASK}@")))
}

fn is_one_of(text: &str, texts: &[String]) -> bool {
    !text.is_empty() && texts.iter().any(|other| other == text)
}

fn visit<'v>(
    value: &'v Value,
    path: &mut Vec<&'v str>,
    standing: Standing,
    each: &mut impl FnMut(Standing, &str),
) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, path, standing, each)),
        Value::Object(map) => {
            for (name, item) in map {
                let standing = standing.below(path, name);
                path.push(name);
                visit(item, path, standing, each);
                path.pop();
            }
        }
        Value::String(text) => each(standing, text),
        Value::Number(number) => each(standing, &number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

fn replace(
    value: &mut Value,
    path: &mut Vec<String>,
    standing: Standing,
    each: &impl Fn(Standing, &str) -> String,
) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, path, standing, each)),
        Value::Object(map) => {
            for (name, item) in map {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let standing = standing.below(&names, name);
                path.push(name.clone());
                replace(item, path, standing, each);
                path.pop();
            }
        }
        Value::String(text) => *text = each(standing, text),
        Value::Number(number) => {
            let text = number.to_string();
            let masked = each(standing, &text);
            if masked != text {
                *value = Value::from(masked);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_secret_is_so_by_where_it_stands() {
        let told =
            ["webserver", "2-tag", "prod", "t0ken-of-ours", "/work", "next-year", "8080"].map(str::to_owned);
        let instance = json!({
            "displayName": "webserver", "shape": "S", "freeformTags": {"env": "prod"}, "new": {"field": "next-year"},
            "containers": [{
                "imageUrl": "https://ann:p4ssword@registry/httpd:2-tag", "workingDirectory": "/work",
                "environmentVariables": {"DB": "postgres://ann:s3cr-et@db/web", "PORT": "1"},
                "command": ["sh", "-c", "run --password s3cr-et"], "arguments": ["t0ken-of-ours", "plain"],
                "healthChecks": [{"port": 8080, "path": "/", "headers": [{"name": "Authorization", "value": "Basic eA=="}]}],
            }],
            "volumes": [{"name": "v", "configs": [{"fileName": "f", "data": "bGluZSBvbmUKbGluZSB0d28="}]}],
            "imagePullSecrets": [{"registryEndpoint": "r", "username": "dXNlcg==", "password": "cjNnaXN0cnktcHc="}],
        });
        let expected = json!({
            "displayName": "webserver", "shape": "S", "freeformTags": {"env": "prod"}, "new": {"field": MASK},
            "containers": [{
                "imageUrl": "https://ann:***@registry/httpd:2-tag", "workingDirectory": MASK,
                "environmentVariables": {"DB": MASK, "PORT": MASK},
                "command": ["sh", "-c", "run --password ***"], "arguments": [MASK, "plain"],
                "healthChecks": [{"port": 8080, "path": "/", "headers": [{"name": "Authorization", "value": MASK}]}],
            }],
            "volumes": [{"name": "v", "configs": [{"fileName": "f", "data": MASK}]}],
            "imagePullSecrets": [{"registryEndpoint": "r", "username": MASK, "password": MASK}],
        });
        assert_eq!(masked_instance(&instance, &told), expected);
        assert_eq!(images(&instance), ["https://ann:***@registry/httpd:2-tag"]);
        assert_eq!(masked_places(&instance, &instance), Vec::<String>::new());
        let mut places = masked_places(&instance, &expected);
        places.sort_unstable();
        let wanted = [
            "containers[0].arguments[0]",
            "containers[0].command[2]",
            "containers[0].environmentVariables.DB",
            "containers[0].environmentVariables.PORT",
            "containers[0].healthChecks[0].headers[0].value",
            "containers[0].imageUrl",
            "containers[0].workingDirectory",
            "imagePullSecrets[0].password",
            "imagePullSecrets[0].username",
            "new.field",
            "volumes[0].configs[0].data",
        ];
        assert_eq!(places, wanted);
        let secrets: Secrets = secret_texts(&instance, &told).iter().collect();
        for said in [
            "line two",
            "bGluZSBvbmUKbGluZSB0d28=",
            "p4ssword",
            "s3cr-et",
            "cjNnaXN0cnktcHc=",
            "r3gistry-pw",
            "t0ken-of-ours",
            "next-year",
        ] {
            assert_eq!(secrets.masked(said, Cut::End), MASK, "{said}");
        }
        for said in ["webserver", "2-tag", "registry"] {
            assert_eq!(secrets.masked(said, Cut::End), said);
        }
    }
}

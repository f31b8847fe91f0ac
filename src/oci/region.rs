//! Regions and their realms: from a name to the hosts of the services (docs/oci.md 1.1).

use std::fmt;

use serde_json::Value;

/// A region with the second-level domain of its realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    name: String,
    domain: String,
    /// Whether the realm is a guess.
    is_guessed: bool,
}

/// The user's own settings for regions that this program does not know, as the official SDK reads them (`regions.py`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    others: Vec<Other>,
    default_domain: Option<String>,
}

/// A region by its name, its short code and its realm's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Other {
    name: String,
    code: String,
    domain: String,
}

impl Other {
    /// Reads a complete entry. Others are skipped, as in the SDK.
    fn read(json: &Value) -> Option<Self> {
        let field = |name: &str| {
            json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_lowercase)
        };
        // The realm's key must be there, although it is not used.
        field("realmKey")?;
        Some(Self {
            name: field("regionIdentifier")?,
            code: field("regionKey")?,
            domain: field("realmDomainComponent")?,
        })
    }
}

impl Regions {
    /// Reads the content of `~/.oci/regions-config.json` (a list), `OCI_REGION_METADATA` (one region) and `OCI_DEFAULT_REALM`
    /// (the domain for unknown regions). Content that is not JSON is ignored, as in the SDK.
    pub fn new(file: Option<&str>, metadata: Option<&str>, default_domain: Option<&str>) -> Self {
        let list = file.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok()).unwrap_or_default();
        let one = metadata.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let others = list.iter().chain(&one).filter_map(Other::read).collect();
        let default_domain = default_domain.filter(|domain| !domain.is_empty()).map(ToOwned::to_owned);
        Self { others, default_domain }
    }

    /// The region that a user names by its name or short code. An unknown region belongs to the default realm, so that a new
    /// region works on its first day. A name with a dot is a complete domain.
    ///
    /// # Errors
    /// When the text cannot be part of a host name.
    pub fn parse(&self, text: &str) -> Result<Region, RegionError> {
        let name = text.trim().to_ascii_lowercase();
        let wrong = || RegionError(text.to_owned());
        if !is_host_like(&name) {
            return Err(wrong());
        }
        if let Some((name, domain)) = known(&name).or_else(|| self.other(&name)) {
            // A name from a file becomes part of a host name too.
            return if is_host_like(name) && is_host_like(domain) {
                Ok(Region { name: name.to_owned(), domain: domain.to_owned(), is_guessed: false })
            } else {
                Err(wrong())
            };
        }
        if let Some((region, domain)) = name.split_once('.') {
            return Ok(Region { name: region.to_owned(), domain: domain.to_owned(), is_guessed: false });
        }
        // Short codes have three letters. An unknown one is a typing mistake, not a new region.
        if !name.contains('-') {
            return Err(wrong());
        }
        let domain = self.default_domain.as_deref().unwrap_or(COMMERCIAL);
        if !is_host_like(domain) {
            return Err(RegionError(domain.to_owned()));
        }
        Ok(Region { name, domain: domain.to_owned(), is_guessed: true })
    }

    fn other(&self, name: &str) -> Option<(&str, &str)> {
        let found = self.others.iter().find(|other| name == other.name || name == other.code);
        found.map(|other| (other.name.as_str(), other.domain.as_str()))
    }
}

/// A region of the table by its name or short code, with its realm's domain.
fn known(name: &str) -> Option<(&'static str, &'static str)> {
    let regions =
        REALMS.iter().flat_map(|(domain, regions)| regions.iter().map(move |region| (region, *domain)));
    let mut found = regions.filter(|((id, code), _)| name == *id || name == *code);
    found.next().map(|((id, _), domain)| (*id, domain))
}

/// Whether a text can be part of a host name.
fn is_host_like(name: &str) -> bool {
    let (first, last) = (name.chars().next(), name.chars().last());
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
        && first.is_some_and(char::is_alphabetic)
        && last.is_some_and(char::is_alphanumeric)
}

/// The text does not name a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region: expected a name such as eu-frankfurt-1, or its short code")]
pub struct RegionError(pub String);

impl Region {
    /// The region that a user names by its name or short code. An unknown region belongs to the commercial realm, so that a
    /// new region works on its first day. A name with a dot is a complete domain.
    ///
    /// # Errors
    /// When the text cannot be part of a host name.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        Regions::default().parse(text)
    }

    /// Whether the region is unknown, so that its realm is a guess.
    pub fn is_guessed(&self) -> bool {
        self.is_guessed
    }

    /// The known region with the most similar name.
    pub fn nearest(&self) -> Option<&'static str> {
        let names = REALMS.iter().flat_map(|(_, regions)| regions.iter().map(|(id, _)| *id));
        let alike = names.map(|name| (strsim::jaro_winkler(&self.name, name), name));
        let alike = alike.filter(|(likeness, _)| *likeness > 0.85);
        alike.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
    }

    /// Whether this binary knows the realm of the region with this name or short code.
    pub(super) fn is_known(name: &str) -> bool {
        known(name).is_some()
    }

    /// The second-level domains of all known realms.
    pub(super) fn domains() -> impl Iterator<Item = &'static str> {
        REALMS.iter().map(|(domain, _)| *domain)
    }

    /// The second-level domain of the realm, such as `oraclecloud.com`.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

const COMMERCIAL: &str = "oraclecloud.com";

type Realm = (&'static str, &'static [(&'static str, &'static str)]);

/// The domain of every realm, with the realm's regions and their short codes.
#[rustfmt::skip]
const REALMS: &[Realm] = &[
    ("oraclecloud.com", &[
        ("us-ashburn-1", "iad"),
        ("us-phoenix-1", "phx"),
        ("us-sanjose-1", "sjc"),
        ("us-chicago-1", "ord"),
        ("us-saltlake-2", "aga"),
        ("ca-toronto-1", "yyz"),
        ("ca-montreal-1", "yul"),
        ("eu-frankfurt-1", "fra"),
        ("eu-amsterdam-1", "ams"),
        ("eu-zurich-1", "zrh"),
        ("eu-marseille-1", "mrs"),
        ("eu-milan-1", "lin"),
        ("eu-stockholm-1", "arn"),
        ("eu-paris-1", "cdg"),
        ("eu-madrid-1", "mad"),
        ("eu-madrid-3", "orf"),
        ("eu-turin-1", "nrq"),
        ("uk-london-1", "lhr"),
        ("uk-cardiff-1", "cwl"),
        ("ap-tokyo-1", "nrt"),
        ("ap-osaka-1", "kix"),
        ("ap-seoul-1", "icn"),
        ("ap-chuncheon-1", "yny"),
        ("ap-mumbai-1", "bom"),
        ("ap-hyderabad-1", "hyd"),
        ("ap-delhi-1", "onm"),
        ("ap-sydney-1", "syd"),
        ("ap-melbourne-1", "mel"),
        ("ap-singapore-1", "sin"),
        ("ap-singapore-2", "xsp"),
        ("ap-batam-1", "hsg"),
        ("ap-kulai-2", "jbp"),
        ("sa-saopaulo-1", "gru"),
        ("sa-vinhedo-1", "vcp"),
        ("sa-santiago-1", "scl"),
        ("sa-valparaiso-1", "vap"),
        ("sa-bogota-1", "bog"),
        ("mx-queretaro-1", "qro"),
        ("mx-monterrey-1", "mty"),
        ("me-jeddah-1", "jed"),
        ("me-riyadh-1", "ruh"),
        ("me-dubai-1", "dxb"),
        ("me-abudhabi-1", "auh"),
        ("il-jerusalem-1", "mtz"),
        ("af-johannesburg-1", "jnb"),
        ("af-casablanca-1", "lej"),
    ]),
    ("oraclegovcloud.com", &[
        ("us-langley-1", "lfi"),
        ("us-luke-1", "luf"),
    ]),
    ("oraclegovcloud.com", &[
        ("us-gov-ashburn-1", "ric"),
        ("us-gov-chicago-1", "pia"),
        ("us-gov-phoenix-1", "tus"),
    ]),
    ("oraclegovcloud.uk", &[
        ("uk-gov-london-1", "ltn"),
        ("uk-gov-cardiff-1", "brs"),
    ]),
    ("oraclecloud8.com", &[
        ("ap-chiyoda-1", "nja"),
        ("ap-ibaraki-1", "ukb"),
    ]),
    ("oraclecloud9.com", &[
        ("me-dcc-muscat-1", "mct"),
        ("me-ibri-1", "ibr"),
    ]),
    ("oraclecloud10.com", &[
        ("ap-dcc-canberra-1", "wga"),
    ]),
    ("oraclecloud14.com", &[
        ("eu-dcc-milan-1", "bgy"),
        ("eu-dcc-milan-2", "mxp"),
        ("eu-dcc-dublin-1", "ork"),
        ("eu-dcc-dublin-2", "snn"),
        ("eu-dcc-rating-1", "dus"),
        ("eu-dcc-rating-2", "dtm"),
    ]),
    ("oraclecloud15.com", &[
        ("ap-dcc-gazipur-1", "dac"),
    ]),
    ("oraclecloud.eu", &[
        ("eu-madrid-2", "vll"),
        ("eu-frankfurt-2", "str"),
    ]),
    ("oraclecloud20.com", &[
        ("eu-jovanovac-1", "beg"),
    ]),
    ("oraclecloud21.com", &[
        ("me-dcc-doha-1", "doh"),
        ("me-alrayyan-1", "vve"),
    ]),
    ("oraclecloud23.com", &[
        ("us-somerset-1", "ebb"),
        ("us-thames-1", "ebl"),
    ]),
    ("oraclecloud24.com", &[
        ("eu-dcc-zurich-1", "avz"),
        ("eu-crissier-1", "avf"),
    ]),
    ("oraclecloud26.com", &[
        ("me-abudhabi-3", "ahu"),
        ("me-alain-1", "rba"),
    ]),
    ("oraclecloud29.com", &[
        ("me-abudhabi-2", "rkt"),
        ("me-abudhabi-4", "shj"),
    ]),
    ("oraclecloud35.com", &[
        ("ap-seoul-2", "dtz"),
        ("ap-suwon-1", "dln"),
        ("ap-chuncheon-2", "bno"),
    ]),
    ("oraclecloud42.com", &[
        ("us-ashburn-2", "yxj"),
        ("us-newark-1", "pgc"),
    ]),
    ("oraclecloud51.com", &[
        ("eu-budapest-1", "jsk"),
    ]),
    ("oraclecloud52.com", &[
        ("sa-riodejaneiro-1", "hnw"),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> String {
        let region = Region::parse(text).expect("a region");
        format!("iaas.{region}.{}", region.domain())
    }

    #[test]
    fn names_codes_and_realms_lead_to_hosts() {
        for (text, expected) in [
            ("eu-frankfurt-1", "iaas.eu-frankfurt-1.oraclecloud.com"),
            ("IAD", "iaas.us-ashburn-1.oraclecloud.com"),
            ("us-luke-1", "iaas.us-luke-1.oraclegovcloud.com"),
            ("uk-gov-london-1", "iaas.uk-gov-london-1.oraclegovcloud.uk"),
            ("eu-frankfurt-2", "iaas.eu-frankfurt-2.oraclecloud.eu"),
            ("xx-newtown-1", "iaas.xx-newtown-1.oraclecloud.com"),
            ("xx-private-1.example.org", "iaas.xx-private-1.example.org"),
        ] {
            assert_eq!(host(text), expected, "{text}");
        }
    }

    /// The results of the official SDK for the same names (`oci.regions.endpoint_for`).
    #[test]
    fn the_machine_tells_of_regions_that_nobody_knows() {
        let one = |name: &str, code: &str, domain: &str| {
            serde_json::json!({"realmKey": "OC99", "realmDomainComponent": domain, "regionKey": code,
                               "regionIdentifier": name})
        };
        let file = serde_json::json!([
            one("xx-Moon-1", "MOO", "moon.example"),
            {"regionIdentifier": "xx-half-1"},
            one("us-ashburn-1", "iad", "elsewhere.example"),
            one("xx-evil-1", "evl", "evil.example/x"),
        ]);
        let metadata = one("xx-mars-1", "mrz", "mars.example");
        let regions =
            Regions::new(Some(&file.to_string()), Some(&metadata.to_string()), Some("default.example"));
        for (text, name, domain, is_guessed) in [
            ("xx-moon-1", "xx-moon-1", "moon.example", false),
            ("MOO", "xx-moon-1", "moon.example", false),
            ("mrz", "xx-mars-1", "mars.example", false),
            ("us-ashburn-1", "us-ashburn-1", "oraclecloud.com", false),
            ("xx-half-1", "xx-half-1", "default.example", true),
            ("xx-a-1.b.example", "xx-a-1", "b.example", false),
        ] {
            let region = regions.parse(text).expect(text);
            assert_eq!((region.to_string().as_str(), region.domain()), (name, domain), "{text}");
            assert_eq!(region.is_guessed(), is_guessed, "{text}");
        }
        assert!(regions.parse("xx-evil-1").is_err());
        assert!(Regions::new(Some("no json"), Some("[]"), Some("")) == Regions::default());
        let typed = Region::parse("eu-frankfrut-1").expect("it may be one");
        assert_eq!((typed.is_guessed(), typed.nearest()), (true, Some("eu-frankfurt-1")));
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for text in ["", "eu frankfurt", "frankfurt", "eu-frankfurt-1/x", "eu-frankfurt-"] {
            assert_eq!(Region::parse(text), Err(RegionError(text.to_owned())));
        }
    }
}

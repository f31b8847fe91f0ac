//! Regions and the realms they belong to: from a name to the hosts of the services (OCI.md 1.1).

use std::fmt;

/// A region with the second-level domain of its realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    name: String,
    domain: String,
}

/// The text names no region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no region: expected a name such as eu-frankfurt-1, or its short code")]
pub struct RegionError(pub String);

impl Region {
    /// The region that a user means by its name or short code. A region that this binary has never heard of is
    /// taken to be of the commercial realm, so that a new one works on its first day; a name with a dot is a whole
    /// domain.
    ///
    /// # Errors
    /// When the text cannot be part of a host name.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let name = text.trim().to_ascii_lowercase();
        let is_host_like = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let (first, last) = (name.chars().next(), name.chars().last());
        if !is_host_like
            || !first.is_some_and(char::is_alphabetic)
            || !last.is_some_and(char::is_alphanumeric)
        {
            return Err(RegionError(text.to_owned()));
        }
        for (domain, regions) in REALMS {
            for (id, code) in *regions {
                if name == *id || name == *code {
                    return Ok(Self { name: (*id).to_owned(), domain: (*domain).to_owned() });
                }
            }
        }
        if let Some((region, domain)) = name.split_once('.') {
            return Ok(Self { name: region.to_owned(), domain: domain.to_owned() });
        }
        // Short codes have three letters; an unknown one is a typing mistake, not a new region.
        if !name.contains('-') {
            return Err(RegionError(text.to_owned()));
        }
        Ok(Self { name, domain: COMMERCIAL.to_owned() })
    }

    /// Whether this binary knows the realm of the region with this name or short code.
    pub(super) fn is_known(name: &str) -> bool {
        REALMS.iter().any(|(_, regions)| regions.iter().any(|(id, code)| name == *id || name == *code))
    }

    /// The second-level domains of all realms that are known.
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

/// Every realm's domain with its regions and their short codes.
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

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for text in ["", "eu frankfurt", "frankfurt", "eu-frankfurt-1/x", "eu-frankfurt-"] {
            assert_eq!(Region::parse(text), Err(RegionError(text.to_owned())));
        }
    }
}

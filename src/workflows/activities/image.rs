//! The images of an instance, by which people tell one version from another.

use serde_json::Value;

use crate::config::images;
use crate::oci::printable;

/// The images that a specification refers to. `None` if it has no container that could be read.
pub(super) fn image(specification: &Value) -> Option<String> {
    let images: Vec<String> = images(specification).iter().map(|image| printable(image)).collect();
    (!images.is_empty()).then(|| images.join(", "))
}

/// A note that ends with the images.
pub(super) fn with_image(note: String, image: Option<&str>) -> String {
    match image {
        Some(image) => format!("{note} {image}"),
        None => note,
    }
}

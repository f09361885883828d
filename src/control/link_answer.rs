//! A minted link, as JSON: the URL, what lies behind it, and a component that drops straight into a template message.
//!
//! It borrows all of what was minted: a batch writes a thousand of them, and copies would cost as much as the writing.

use serde::Serialize;
use utoipa::ToSchema;

use crate::link::LinkId;
use crate::media::HeaderKind;
use crate::mint::{MintWarning, Minted};
use crate::value::{Fingerprint, MediaType, Sha256, UnixTime};

/// A minted link.
#[derive(Serialize, ToSchema)]
pub struct LinkAnswer<'a> {
    /// What logs, revocations and delivery records call the link.
    #[schema(value_type = String, example = "lnk_b4k7abcdefgh2345")]
    id: LinkId,
    /// The link itself. Whoever holds it can fetch the asset until it ends.
    #[schema(example = "https://media.example.com/m/b4k7q2/winter.8f2a1c9d0e3b4a56.jpg")]
    url: &'a str,
    /// The first second at which the link is over.
    #[schema(value_type = String, format = DateTime)]
    expires_at: UnixTime,
    /// BLAKE3-256 of the content, as `b3sum` prints it.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    fingerprint: Fingerprint,
    /// SHA-256 of the content.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    sha256: Sha256,
    /// What the asset is served as.
    #[schema(value_type = String, example = "image/jpeg")]
    content_type: &'a MediaType,
    /// The content's length in bytes.
    size: u64,
    /// What is not wrong, and yet may surprise.
    warnings: Vec<Warning<'a>>,
    /// The header component of a template message.
    component: Component<'a>,
    /// Send it along with the message: delivery webhooks then name the link.
    #[schema(value_type = String, example = "lnk_b4k7abcdefgh2345")]
    biz_opaque_callback_data: LinkId,
}

/// Something that is not wrong, and yet may surprise.
#[derive(Serialize, ToSchema)]
struct Warning<'a> {
    /// A stable code.
    #[schema(value_type = String, example = "image-greyscale")]
    code: &'static str,
    /// The same for people.
    message: &'a str,
}

/// The header component of a template message.
#[derive(Serialize, ToSchema)]
struct Component<'a> {
    /// Always `header`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "header")]
    kind: &'static str,
    /// The one parameter of a media header.
    #[schema(value_type = Vec<Parameter<'_>>, min_items = 1, max_items = 1)]
    parameters: [Parameter<'a>; 1],
}

/// A media parameter.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Parameter<'a> {
    /// An image.
    Image {
        /// Where it is.
        image: Media<'a>,
    },
    /// A video.
    Video {
        /// Where it is.
        video: Media<'a>,
    },
    /// A document.
    Document {
        /// Where it is, and what it is called.
        document: Document<'a>,
    },
}

/// Where an asset is.
#[derive(Serialize, ToSchema)]
struct Media<'a> {
    /// The link.
    link: &'a str,
}

/// Where a document is, and what it is called.
#[derive(Serialize, ToSchema)]
struct Document<'a> {
    /// The link.
    link: &'a str,
    /// What `WhatsApp` shows; its extension decides how.
    #[schema(value_type = String, example = "invoice.pdf")]
    filename: &'a str,
}

impl<'a> LinkAnswer<'a> {
    /// What is answered for `minted`.
    pub fn of(minted: &'a Minted) -> Self {
        let Minted { link, grant, sha256, warnings, .. } = minted;
        Self {
            id: link.id(),
            url: link.url(),
            expires_at: grant.expires,
            fingerprint: grant.fingerprint,
            sha256: *sha256,
            content_type: &grant.media_type,
            size: grant.length,
            warnings: warnings.iter().map(Warning::of).collect(),
            component: Component { kind: "header", parameters: [parameter(minted)] },
            biz_opaque_callback_data: link.id(),
        }
    }

    /// Where the link is told of.
    pub(super) fn location(&self) -> String {
        format!("/v1/links/{}", self.id)
    }
}

impl<'a> Warning<'a> {
    fn of(warning: &'a MintWarning) -> Self {
        Self { code: warning.code, message: &warning.message }
    }
}

fn parameter(minted: &Minted) -> Parameter<'_> {
    let link = minted.link.url();
    match minted.header {
        HeaderKind::Image => Parameter::Image { image: Media { link } },
        HeaderKind::Video => Parameter::Video { video: Media { link } },
        HeaderKind::Document => {
            Parameter::Document { document: Document { link, filename: minted.grant.name.as_str() } }
        }
    }
}

//! What an audit says: one finding for each fault of an object, and one line for each setting of the store.
//!
//! The names of the codes are promised to programs that read them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::origin::StoreSetting;

/// A fault of one object, or of the store itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub code: Code,
    /// The object; absent where it is the store itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was seen, in plain words.
    pub detail: String,
    /// The media type that the bytes prove, where the stored one is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retype: Option<Retyping>,
}

/// Another media type for one version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retyping {
    /// What the store says now; absent where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the bytes prove.
    pub to: String,
    /// The version that was looked at.
    pub version: String,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the codes; `Code::meaning` says what each means")]
pub enum Code {
    PublicAccessBlockOff,
    PolicyPublic,
    AclPublic,
    WebsiteOn,
    TypeMissing,
    TypeWrong,
    ExtensionWrong,
    TooLarge,
    VideoMoovLast,
    VideoFragmented,
    VideoCodec,
    VideoDamaged,
    ImageUnsupported,
    KeyDiffersInCase,
    KeyDiffersInEncoding,
    Overwritten,
    Empty,
    ContentEncoded,
    Unreadable,
}

impl Code {
    /// What it means for links, and what to do.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::PublicAccessBlockOff => (
                "nothing stops a policy or an access list from opening the bucket",
                "switch all four on, once nothing reads the bucket's public URLs any more",
            ),
            Self::PolicyPublic => ("everybody can read the bucket, links or no links", "remove the public statement"),
            Self::AclPublic => ("everybody can read it, links or no links", "make the access list private"),
            Self::WebsiteOn => ("the bucket is served as a web site", "remove the website setting"),
            Self::TypeMissing => (
                "the store says no media type, so whoever reads it elsewhere gets none",
                "run `hallpass audit --fix-types` (S3 only), or store it again with its type",
            ),
            Self::TypeWrong => (
                "the stored media type is not what the bytes are",
                "run `hallpass audit --fix-types` (S3 only), or store it again with its type",
            ),
            Self::ExtensionWrong => ("the name promises another kind of file than the bytes are", "rename it"),
            Self::TooLarge => ("WhatsApp refuses it for its size", "make it smaller"),
            Self::VideoMoovLast => (
                "the video cannot play while it loads, and WhatsApp refuses it",
                "rewrite it with `ffmpeg -c copy -movflags +faststart`",
            ),
            Self::VideoFragmented => (
                "the video is in fragments, and WhatsApp refuses it",
                "rewrite it with `ffmpeg -c copy -movflags +faststart`",
            ),
            Self::VideoCodec => ("WhatsApp plays H.264 with AAC in MP4 or 3GP, and this is not", "encode it again"),
            Self::VideoDamaged => ("the video is cut off or damaged", "upload it again"),
            Self::ImageUnsupported => {
                ("a template's header refuses this picture", "save it as an 8-bit RGB JPEG or PNG")
            }
            Self::KeyDiffersInCase => {
                ("another key is the same but for upper and lower case", "delete or rename one of them")
            }
            Self::KeyDiffersInEncoding => (
                "another key is the same but for its spelling (percent, plus or accents)",
                "delete or rename one of them",
            ),
            Self::Overwritten => (
                "it was overwritten: a link names one version, and caches may hold another",
                "publish changed files under new keys, as `hallpass publish` does",
            ),
            Self::Empty => ("it has no bytes", "upload it again, or delete it"),
            Self::ContentEncoded => (
                "it is stored compressed, and fetchers need the plain bytes, so no link is minted",
                "store it without Content-Encoding",
            ),
            Self::Unreadable => ("it could not be looked at", "see the detail of each"),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What was said about one setting of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name, such as `public-access-block`.
    pub setting: String,
    /// Whether it keeps strangers out.
    pub verdict: SettingVerdict,
    /// What it says, or why it could not be read.
    pub detail: String,
}

/// Whether a setting keeps strangers out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingVerdict {
    /// It does.
    Ok,
    /// It does not; there is a finding of it.
    Finding,
    /// It could not be read, so nobody knows.
    Unknown,
}

impl fmt::Display for SettingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The finding that an open setting is; `None` for what is no danger.
pub(super) fn code_of(setting: StoreSetting) -> Option<Code> {
    match setting {
        StoreSetting::PublicAccessBlock => Some(Code::PublicAccessBlockOff),
        StoreSetting::Policy => Some(Code::PolicyPublic),
        StoreSetting::Acl => Some(Code::AclPublic),
        StoreSetting::Website => Some(Code::WebsiteOn),
        StoreSetting::Versions | StoreSetting::ObjectAcls => None,
    }
}

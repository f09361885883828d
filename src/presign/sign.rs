//! Signing a request again, as `aws-sigv4` does it.
//!
//! The signer builds the parameters of the signature itself, from the same parts that the claim was checked to be made of; the other
//! parameters are given to it as they were sent. So what it signs is the request's own canonical form, in the signer's own order.

use aws_sdk_s3::config::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;

use super::Payload;
use super::claim::{ALGORITHM, CREDENTIAL, Claim, DATE, EXPIRES, SIGNATURE, SIGNED_HEADERS};
use crate::value::Secret;

/// The signature that `secret` gives the request for `method`; `None` for an authority that no request can have.
pub(super) fn signature(claim: &Claim<'_>, method: &str, secret: &Secret<String>) -> Option<String> {
    // The signer drops spaces in and around a field's value, so such an authority would have two spellings.
    if !claim.request.authority.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let identity = Credentials::new(claim.key.as_str(), secret.expose().as_str(), None, None, "hallpass").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&claim.region)
        .name(claim.rules.service)
        .time(claim.date.to_system())
        .settings(settings(claim))
        .build()
        .ok()?
        .into();
    let body = match claim.rules.payload {
        Payload::Unsigned => SignableBody::UnsignedPayload,
        Payload::Empty => SignableBody::Bytes(&[]),
    };
    let headers = std::iter::once(("host", claim.request.authority));
    let request = SignableRequest::new(method, target(claim), headers, body).ok()?;
    sign(request, &params).ok().map(|output| output.into_parts().1)
}

fn settings(claim: &Claim<'_>) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(claim.expires);
    settings.uri_path_normalization_mode = UriPathNormalizationMode::from(claim.rules.normalize_path);
    settings
}

/// The path, with those parameters that the signer does not build itself.
fn target(claim: &Claim<'_>) -> String {
    let mut target = claim.request.path.to_owned();
    let built = [ALGORITHM, CREDENTIAL, DATE, EXPIRES, SIGNED_HEADERS, SIGNATURE];
    let others = claim.query.iter().filter(|one| !built.contains(&one.name));
    for (at, other) in others.enumerate() {
        target.push(if at == 0 { '?' } else { '&' });
        target.push_str(other.name);
        target.push('=');
        target.push_str(other.raw);
    }
    target
}

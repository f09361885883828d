//! What a bucket of GCS or a container of Azure is open to. It is not asked, and so unknown, never fine; each text says which command tells.
//!
//! The client speaks for objects alone, and the rights to read these settings are others than those to read objects.

use crate::origin::survey::{Exposure, ExposureState, StoreSetting};

/// Where a bucket's settings are shown.
pub(super) fn of_bucket(bucket: &str) -> Vec<Exposure> {
    let describe = format!("gcloud storage buckets describe gs://{bucket}");
    unknown([
        (
            StoreSetting::PublicAccessBlock,
            format!(
                "public access prevention is shown by `{describe} --format=\"default(public_access_prevention)\"`; it should be enforced"
            ),
        ),
        (
            StoreSetting::Policy,
            format!(
                "`gcloud storage buckets get-iam-policy gs://{bucket}` should name neither allUsers nor allAuthenticatedUsers"
            ),
        ),
        (
            StoreSetting::Acl,
            format!(
                "`{describe} --format=\"default(acl,default_acl,uniform_bucket_level_access)\"` should name neither allUsers nor allAuthenticatedUsers"
            ),
        ),
        (StoreSetting::Website, format!("`{describe}` should show no website configuration")),
        (
            StoreSetting::Versions,
            format!(
                "only what lies there now was listed; `gcloud storage ls --all-versions --recursive gs://{bucket}` shows overwritten objects"
            ),
        ),
        (
            StoreSetting::ObjectAcls,
            format!(
                "`gcloud storage objects describe gs://{bucket}/KEY --format=\"default(acl)\"` shows that of an object; with uniform bucket-level access there are none"
            ),
        ),
    ])
}

/// Where a container's settings are shown.
pub(super) fn of_container(account: &str, container: &str) -> Vec<Exposure> {
    let show = format!("az storage account show --name {account}");
    let of = format!("--account-name {account} --container-name {container}");
    unknown([
        (
            StoreSetting::PublicAccessBlock,
            format!(
                "`{show} --query allowBlobPublicAccess` should say false, which keeps strangers out of the whole account"
            ),
        ),
        (
            StoreSetting::Policy,
            format!(
                "`az storage container policy list {of}` shows the stored access policies that shared access signatures may name"
            ),
        ),
        (
            StoreSetting::Acl,
            format!(
                "`az storage container show-permission --account-name {account} --name {container}` should say that publicAccess is off"
            ),
        ),
        (
            StoreSetting::Website,
            format!(
                "`az storage blob service-properties show --account-name {account} --query staticWebsite` should say that it is not enabled"
            ),
        ),
        (
            StoreSetting::Versions,
            format!(
                "only what lies there now was listed; `az storage blob list {of} --include v` shows overwritten blobs"
            ),
        ),
        (
            StoreSetting::ObjectAcls,
            format!(
                "only a hierarchical namespace has them: `az storage fs access show --account-name {account} --file-system {container} --path KEY`"
            ),
        ),
    ])
}

fn unknown<const N: usize>(all: [(StoreSetting, String); N]) -> Vec<Exposure> {
    let said = |(setting, text)| Exposure { setting, state: ExposureState::Unknown(format!("not asked; {text}")) };
    all.into_iter().map(said).collect()
}

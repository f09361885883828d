//! The Terraform module, as its parser reads it: the bucket is private in every way that S3 knows, the roles hold what they need, and every name that
//! is used is declared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{files, list, run_well, strings, text};
use crate::kit::moto;

/// The blocks of all files, by the words of their heads, such as `resource.aws_s3_bucket.media`.
fn blocks() -> BTreeMap<String, Value> {
    const READ: &str = "import hcl2, json, sys
from hcl2.utils import SerializationOptions
plain = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
print(json.dumps(hcl2.load(open(sys.argv[1]), serialization_options=plain)))";
    let mut found = BTreeMap::new();
    for file in files("deploy/terraform", ".tf") {
        let read: Value = serde_json::from_str(&run_well(moto::python().args(["-c", READ]).arg(file))).unwrap();
        for (kind, written) in read.as_object().unwrap() {
            let heads = usize::from(matches!(kind.as_str(), "resource" | "data")) + 1;
            for block in list(written) {
                flatten(kind, block, if kind == "terraform" || kind == "locals" { 0 } else { heads }, &mut found);
            }
        }
    }
    assert!(found.len() > 20, "they were read: {:?}", found.keys());
    found
}

fn flatten(name: &str, block: &Value, heads: usize, found: &mut BTreeMap<String, Value>) {
    if heads == 0 {
        found.insert(name.to_owned(), block.clone());
        return;
    }
    for (head, inner) in block.as_object().unwrap() {
        flatten(&format!("{name}.{head}"), inner, heads - 1, found);
    }
}

/// Every policy statement below a value, also those of dynamic blocks.
fn statements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().flat_map(statements).collect(),
        Value::Object(fields) if fields.contains_key("actions") => vec![value],
        Value::Object(fields) => fields.values().flat_map(statements).collect(),
        _ => Vec::new(),
    }
}

/// What a policy allows: actions, and on which resources.
fn allowed(blocks: &BTreeMap<String, Value>, policy: &str) -> BTreeSet<String> {
    let document = &blocks[&format!("data.aws_iam_policy_document.{policy}")];
    let all = statements(document).into_iter().filter(|one| one["effect"] == "Allow");
    all.flat_map(|one| match &one["actions"] {
        Value::String(either) => vec![either.clone()],
        listed => strings(listed).into_iter().map(str::to_owned).collect(),
    })
    .collect()
}

#[test]
fn the_bucket_is_private_versioned_encrypted_and_tls_only() {
    let blocks = blocks();
    let shut = &blocks["resource.aws_s3_bucket_public_access_block.media"];
    for way in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] {
        assert_eq!(shut[way], true, "{way}");
    }
    let owned = &blocks["resource.aws_s3_bucket_ownership_controls.media"];
    assert_eq!(owned["rule"][0]["object_ownership"], "BucketOwnerEnforced");
    let versions = &blocks["resource.aws_s3_bucket_versioning.media"];
    assert_eq!(versions["versioning_configuration"][0]["status"], "Enabled");
    let sealed = &blocks["resource.aws_s3_bucket_server_side_encryption_configuration.media"];
    assert!(sealed["rule"][0]["apply_server_side_encryption_by_default"][0]["sse_algorithm"].is_string());
    for other in ["public_access_block", "versioning", "server_side_encryption_configuration", "ownership_controls"] {
        assert_eq!(blocks[&format!("resource.aws_s3_bucket_{other}.media")]["bucket"], "${aws_s3_bucket.media.id}");
    }

    let policy = &blocks["data.aws_iam_policy_document.bucket"];
    let tls = statements(policy).into_iter().find(|one| one["condition"][0]["variable"] == "aws:SecureTransport");
    let tls = tls.expect("plain HTTP is refused");
    assert_eq!((&tls["effect"], &tls["condition"][0]["values"][0]), (&"Deny".into(), &"false".into()));
    assert_eq!(tls["principals"][0]["identifiers"][0], "*");
    assert_eq!(list(&tls["resources"]).len(), 2, "the bucket and its objects");
    let attached = &blocks["resource.aws_s3_bucket_policy.media"]["policy"];
    assert_eq!(attached, "${data.aws_iam_policy_document.bucket.json}");
}

#[test]
fn no_statement_allows_everybody_everything_or_everywhere() {
    let blocks = blocks();
    let all: Vec<_> = blocks.values().flat_map(statements).collect();
    assert!(all.len() >= 10, "they were read: {}", all.len());
    for one in all {
        assert!(one["effect"] == "Allow" || one["effect"] == "Deny", "{one}");
        if one["effect"] == "Deny" {
            continue;
        }
        assert!(!one["actions"].to_string().contains('*'), "{one}");
        for principal in list(&one["principals"]) {
            assert_ne!(principal["type"], "*", "{one}");
            assert!(!principal["identifiers"].to_string().contains('*'), "{one}");
        }
        assert!(one.get("not_principals").is_none() && one.get("not_actions").is_none(), "{one}");
        for resource in list(&one["resources"]) {
            assert!(resource.as_str().unwrap().starts_with("${"), "{resource} begins with a bucket or a key of ours");
        }
    }
}

#[test]
fn the_roles_have_the_rights_that_they_need_and_no_more() {
    let blocks = blocks();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let keys = "${var.publish_prefix == \"\" ? [\"kms:Decrypt\"] : [\"kms:Decrypt\", \"kms:GenerateDataKey\"]}";
    let reader = ["s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", keys];
    assert_eq!(allowed(&blocks, "reader"), set(&reader));
    // What README asks for, to look and to mend.
    let looking = [
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketAcl",
        "s3:GetBucketWebsite",
        "s3:GetObjectAcl",
        "s3:GetObject",
        "s3:GetObjectVersion",
    ];
    let mending = ["s3:PutObject", "s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:PutObjectTagging"];
    let keys = "${var.audit_may_fix_types ? [\"kms:Decrypt\", \"kms:GenerateDataKey\"] : [\"kms:Decrypt\"]}";
    let all: Vec<_> = looking.iter().chain(&mending).copied().chain([keys]).collect();
    assert_eq!(allowed(&blocks, "audit"), set(&all));
    let readme = text("README.md");
    let row = readme.lines().find(|line| line.starts_with("| `hallpass audit ")).unwrap();
    for right in looking[..7].iter().chain(&mending) {
        assert!(row.contains(&format!("`{right}`")), "README names {right}");
    }
    // Writing is one statement of each, which is not there unless it was asked for.
    for (policy, condition) in
        [("reader", "${var.publish_prefix == \"\" ? [] : [1]}"), ("audit", "${var.audit_may_fix_types ? [1] : []}")]
    {
        let document = &blocks[&format!("data.aws_iam_policy_document.{policy}")];
        let plain = document["statement"].to_string();
        assert!(!plain.contains("Put") && !plain.contains("Delete"), "{plain}");
        let writing: Vec<_> =
            list(&document["dynamic"]).iter().filter(|one| one.to_string().contains("s3:PutObject")).collect();
        assert_eq!(writing.len(), 1);
        assert_eq!(writing[0]["statement"]["for_each"], condition);
    }
    let publish = statements(&blocks["data.aws_iam_policy_document.reader"]["dynamic"]);
    let publish = publish.into_iter().find(|one| one["sid"] == "Publish").unwrap();
    assert_eq!(publish["resources"][0], "${aws_s3_bucket.media.arn}/${var.publish_prefix}*");
    // The condition's key must be there (it is not null), so a write that could overwrite is refused.
    let condition = &publish["condition"][0];
    let read = ["test", "variable"].map(|name| condition[name].as_str().unwrap());
    assert_eq!((read, &condition["values"][0]), (["Null", "s3:if-none-match"], &"false".into()));
}

#[test]
fn a_bucket_that_is_taken_over_keeps_what_it_has() {
    let blocks = blocks();
    let bucket = &blocks["resource.aws_s3_bucket.media"]["lifecycle"][0];
    assert_eq!(bucket["prevent_destroy"], true);
    assert!(bucket["ignore_changes"].to_string().contains("tags"), "tags of its own: {bucket}");
    let policy = &blocks["data.aws_iam_policy_document.bucket"]["source_policy_documents"];
    assert_eq!(policy, "${var.other_policies}");
    let rules = &blocks["resource.aws_s3_bucket_lifecycle_configuration.media"];
    assert_eq!(rules["count"], "${var.manage_lifecycle ? 1 : 0}");
    // Each resource that replaces a setting of the bucket is imported by the guide.
    let guide = text("deploy/MIGRATE.md");
    let imported: BTreeSet<_> = guide.split_whitespace().map(|word| word.trim_matches(['\'', ';'])).collect();
    let mut seen = 0;
    for name in blocks.keys().filter_map(|name| name.strip_prefix("resource.")) {
        if name.starts_with("aws_s3_bucket") {
            let counted = format!("{name}[0]");
            assert!(imported.contains(name) || imported.contains(counted.as_str()), "{name} is imported");
            seen += 1;
        }
    }
    assert!(seen >= 7, "they were read: {seen}");
}

#[test]
fn every_variable_is_described_and_every_text_is_checked() {
    for (name, variable) in blocks().iter().filter(|(name, _)| name.starts_with("variable.")) {
        assert!(variable["description"].as_str().is_some_and(|text| text.len() > 20), "{name} says what it is");
        let free =
            ["variable.tags", "variable.audit_may_fix_types", "variable.manage_lifecycle"].contains(&name.as_str());
        let checked = list(&variable["validation"]).iter().all(|one| one["condition"].to_string().contains("var."));
        assert!(free || (checked && !list(&variable["validation"]).is_empty()), "{name} is validated");
    }
}

#[test]
fn every_name_that_is_used_is_declared() {
    let blocks = blocks();
    let declared: BTreeSet<_> = blocks.keys().map(|name| name.strip_prefix("resource.").unwrap_or(name)).collect();
    let locals: BTreeSet<_> = files("deploy/terraform", ".tf").iter().flat_map(|file| locals(file)).collect();
    let mut seen = 0;
    for file in files("deploy/terraform", ".tf") {
        let written = std::fs::read_to_string(&file).unwrap();
        let code: String =
            written.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
        for word in code.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))) {
            let parts: Vec<_> = word.split('.').collect();
            let name = match parts.as_slice() {
                ["var", name, ..] => format!("variable.{name}"),
                ["local", name, ..] => {
                    assert!(locals.contains(*name), "local.{name}");
                    continue;
                }
                ["data", kind, name, ..] => format!("data.{kind}.{name}"),
                [kind, name, ..] if kind.starts_with("aws_") => format!("{kind}.{name}"),
                _ => continue,
            };
            seen += 1;
            assert!(declared.contains(name.as_str()), "{name} of {} is declared nowhere", file.display());
        }
    }
    assert!(seen > 50, "they were read: {seen}");
}

fn locals(file: &std::path::Path) -> Vec<String> {
    let written = std::fs::read_to_string(file).unwrap();
    let Some((_, rest)) = written.split_once("locals {\n") else { return Vec::new() };
    let inside = rest.split_once("\n}").unwrap().0;
    inside.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().to_owned()).collect()
}

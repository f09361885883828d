# The private bucket. To take one over that exists, import it first, and each of its settings that it has (deploy/MIGRATE.md, step 10):
#
#     terraform import aws_s3_bucket.media acme-media
#     terraform import aws_s3_bucket_policy.media acme-media
#
# and look at what `terraform plan` would change. What is not imported is replaced all the same, and the plan calls that a creation. Blocking public
# access ends every public link to it at once (step 8).

resource "aws_s3_bucket" "media" {
  bucket = var.bucket
  tags   = var.tags

  lifecycle {
    prevent_destroy = true
    # An imported bucket keeps the tags that it has.
    ignore_changes = [tags, tags_all]
  }
}

resource "aws_s3_bucket_public_access_block" "media" {
  bucket                  = aws_s3_bucket.media.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No ACLs at all: the bucket's owner owns every object, and policies alone decide.
resource "aws_s3_bucket_ownership_controls" "media" {
  bucket = aws_s3_bucket.media.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# With versions, a link goes on serving the bytes that it was made for after they were overwritten.
resource "aws_s3_bucket_versioning" "media" {
  bucket = aws_s3_bucket.media.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "media" {
  bucket = aws_s3_bucket.media.id

  rule {
    bucket_key_enabled = var.kms_key_arn != ""

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == "" ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn == "" ? null : var.kms_key_arn
    }
  }
}

# A bucket has one such configuration, so this one replaces rules of your own.
resource "aws_s3_bucket_lifecycle_configuration" "media" {
  count      = var.manage_lifecycle ? 1 : 0
  bucket     = aws_s3_bucket.media.id
  depends_on = [aws_s3_bucket_versioning.media]

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

# A bucket has one policy, so this one replaces yours, but for the statements in other_policies.
data "aws_iam_policy_document" "bucket" {
  source_policy_documents = var.other_policies

  # Nobody, not even the owner, without TLS 1.2.
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.media.arn, "${aws_s3_bucket.media.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "OldTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.media.arn, "${aws_s3_bucket.media.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }
}

resource "aws_s3_bucket_policy" "media" {
  bucket     = aws_s3_bucket.media.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.media]
}

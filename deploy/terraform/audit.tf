# What `hallpass audit` looks at, for people and jobs; the gateway needs none of it. It is made only where audit_principals names somebody.

locals {
  audit = length(var.audit_principals) > 0 ? 1 : 0
}

data "aws_iam_policy_document" "audit_trust" {
  count = local.audit

  statement {
    effect  = "Allow"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.audit_principals
    }
  }
}

resource "aws_iam_role" "audit" {
  count              = local.audit
  name               = "${var.name}-audit"
  description        = "hallpass audit: looks at ${var.bucket} and its settings"
  assume_role_policy = data.aws_iam_policy_document.audit_trust[0].json
  tags               = var.tags
}

data "aws_iam_policy_document" "audit" {
  count = local.audit

  statement {
    sid    = "Bucket"
    effect = "Allow"
    actions = [
      "s3:GetBucketAcl",
      "s3:GetBucketPolicyStatus",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketWebsite",
      "s3:ListBucket",
      "s3:ListBucketVersions",
    ]
    resources = [aws_s3_bucket.media.arn]
  }

  statement {
    sid    = "Objects"
    effect = "Allow"
    actions = [
      "s3:GetObject",
      "s3:GetObjectAcl",
      "s3:GetObjectVersion",
    ]
    resources = ["${aws_s3_bucket.media.arn}/*"]
  }

  # A type is mended by a copy of the object onto itself, with its metadata and tags.
  dynamic "statement" {
    for_each = var.audit_may_fix_types ? [1] : []

    content {
      sid    = "FixTypes"
      effect = "Allow"
      actions = [
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        "s3:PutObject",
        "s3:PutObjectTagging",
      ]
      resources = ["${aws_s3_bucket.media.arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == "" ? [] : [1]

    content {
      sid       = "Keys"
      effect    = "Allow"
      actions   = var.audit_may_fix_types ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"]
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role_policy" "audit" {
  count  = local.audit
  name   = "audit"
  role   = aws_iam_role.audit[0].id
  policy = data.aws_iam_policy_document.audit[0].json
}

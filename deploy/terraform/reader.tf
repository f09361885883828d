# What the gateway may do: read, list, and, where it publishes, create objects under one prefix. It can overwrite nothing, delete nothing and change
# no rights.

locals {
  issuer = var.oidc_provider_arn == "" ? "" : regex("oidc-provider/(.+)$", var.oidc_provider_arn)[0]
}

data "aws_iam_policy_document" "reader_trust" {
  dynamic "statement" {
    for_each = length(var.trusted_principals) > 0 ? [1] : []

    content {
      sid     = "Principals"
      effect  = "Allow"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = var.trusted_principals
      }
    }
  }

  dynamic "statement" {
    for_each = var.oidc_provider_arn == "" ? [] : [1]

    content {
      sid     = "ServiceAccount"
      effect  = "Allow"
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [var.oidc_provider_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:sub"
        values   = ["system:serviceaccount:${var.service_account}"]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "reader" {
  name               = "${var.name}-reader"
  description        = "Hallpass: reads the objects of ${var.bucket}"
  assume_role_policy = data.aws_iam_policy_document.reader_trust.json
  tags               = var.tags

  lifecycle {
    precondition {
      condition     = length(var.trusted_principals) > 0 || var.oidc_provider_arn != ""
      error_message = "Nobody could take the role: name trusted_principals, or an oidc_provider_arn."
    }
  }
}

data "aws_iam_policy_document" "reader" {
  # Without it S3 answers 403 where an object is missing, and Hallpass could not tell that from a fault.
  statement {
    sid       = "List"
    effect    = "Allow"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.media.arn]
  }

  statement {
    sid       = "Read"
    effect    = "Allow"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.media.arn}/*"]
  }

  # Only with If-None-Match, which S3 refuses where the key has an object: nothing that is there is ever overwritten. A right to s3:PutObject alone
  # would overwrite.
  dynamic "statement" {
    for_each = var.publish_prefix == "" ? [] : [1]

    content {
      sid       = "Publish"
      effect    = "Allow"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.media.arn}/${var.publish_prefix}*"]

      condition {
        test     = "Null"
        variable = "s3:if-none-match"
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == "" ? [] : [1]

    content {
      sid       = "Decrypt"
      effect    = "Allow"
      actions   = var.publish_prefix == "" ? ["kms:Decrypt"] : ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role_policy" "reader" {
  name   = "read"
  role   = aws_iam_role.reader.id
  policy = data.aws_iam_policy_document.reader.json
}

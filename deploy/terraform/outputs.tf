output "bucket" {
  description = "For `bucket` in [stores.NAME]."
  value       = aws_s3_bucket.media.bucket
}

output "region" {
  description = "For `region` in [stores.NAME]."
  value       = aws_s3_bucket.media.region
}

output "reader_role_arn" {
  description = "What the gateway runs as: the annotation eks.amazonaws.com/role-arn of its service account, or role_arn of a profile."
  value       = aws_iam_role.reader.arn
}

output "audit_role_arn" {
  description = "What `hallpass audit` runs as; null where audit_principals is empty."
  value       = one(aws_iam_role.audit[*].arn)
}

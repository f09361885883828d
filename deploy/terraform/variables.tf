variable "bucket" {
  description = "The name of the private bucket, such as acme-media."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 of a-z, 0-9 and '-', and neither begins nor ends with '-'. Leave dots out: they break TLS for virtual hosts."
  }
}

variable "name" {
  description = "What the roles' names begin with."
  type        = string
  default     = "hallpass"

  validation {
    condition     = can(regex("^[a-z0-9-]{1,40}$", var.name))
    error_message = "The name has 1 to 40 of a-z, 0-9 and '-'."
  }
}

variable "trusted_principals" {
  description = "The ARNs that may take the reader's role: the role of the machine or of the pod that Hallpass runs on. Empty where an OIDC provider is given instead."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.trusted_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "Each is the ARN of one role or one user; neither \"*\" nor a whole account."
  }
}

variable "oidc_provider_arn" {
  description = "The OIDC provider of an EKS cluster, for the service account of deploy/kubernetes; empty for none."
  type        = string
  default     = ""

  validation {
    condition     = var.oidc_provider_arn == "" || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "This is the ARN of an OIDC provider, arn:aws:iam::123456789012:oidc-provider/..., or empty."
  }
}

variable "service_account" {
  description = "The service account that may take the reader's role through the OIDC provider, as namespace:name."
  type        = string
  default     = "hallpass:hallpass"

  validation {
    condition     = can(regex("^[a-z0-9-]+:[a-z0-9-]+$", var.service_account))
    error_message = "It is written namespace:name, such as hallpass:hallpass; neither of them a pattern."
  }
}

variable "publish_prefix" {
  description = "The prefix under which `hallpass publish` may create objects, such as published/; empty for none."
  type        = string
  default     = ""

  validation {
    condition     = var.publish_prefix == "" || can(regex("^[A-Za-z0-9._-][A-Za-z0-9._/-]*/$", var.publish_prefix))
    error_message = "A prefix ends with '/' and does not begin with it, such as published/; no patterns."
  }
}

variable "audit_principals" {
  description = "The ARNs that may take the role of `hallpass audit`: people and jobs, not the gateway. Empty: no such role."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.audit_principals : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "Each is the ARN of one role or one user; neither \"*\" nor a whole account."
  }
}

variable "audit_may_fix_types" {
  description = "Whether the audit's role may also mend media types (`hallpass audit --fix-types`), which rewrites objects."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "A KMS key for the objects; empty for S3's own keys (SSE-S3)."
  type        = string
  default     = ""

  validation {
    condition     = var.kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "This is the ARN of a key, not of an alias, or empty."
  }
}

variable "other_policies" {
  description = "Policies of the bucket, as JSON, whose statements are kept beside those of this module: what a CDN or another account may read."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for policy in var.other_policies : can(jsondecode(policy).Statement)])
    error_message = "Each is a policy as JSON, with its Statement."
  }
}

variable "manage_lifecycle" {
  description = "Whether this module writes the bucket's lifecycle rules, in place of all that it has; false where you have rules of your own."
  type        = bool
  default     = true
}

variable "noncurrent_days" {
  description = "How long overwritten and deleted versions are kept, where manage_lifecycle is true. Links name a version: keep it longer than any link lives."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "Whole days, from 1 to 3650."
  }
}

variable "tags" {
  description = "Tags for everything that this module makes. A bucket that was imported keeps its own."
  type        = map(string)
  default     = {}
}

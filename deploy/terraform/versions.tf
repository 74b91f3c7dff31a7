terraform {
  # Passwords that never reach the state (`ephemeral`, `_wo`) are of 1.11.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Which bucket: terraform init -backend-config=bucket=… -backend-config=region=…
  backend "s3" {
    key          = "oms/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = var.name
      managed-by  = "terraform"
    }
  }
}

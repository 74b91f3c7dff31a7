# Everything that the manifests in deploy/kubernetes expect around them, on AWS. See docs/aws.md.

data "aws_route53_zone" "shop" {
  name = var.zone
}

module "secrets" {
  source = "./modules/secrets"

  name = var.name
}

module "network" {
  source = "./modules/network"

  name    = var.name
  cidr    = var.cidr
  zones   = var.zones
  kms_key = module.secrets.kms_key
}

module "cluster" {
  source = "./modules/cluster"

  name               = var.name
  kubernetes_version = var.kubernetes_version
  subnets            = module.network.private_subnets
  operators          = var.operators
  node_type          = var.node_type
  nodes              = var.nodes
  kms_key            = module.secrets.kms_key
}

module "database" {
  source = "./modules/database"

  name             = var.name
  vpc              = module.network.vpc
  subnets          = module.network.database_subnets
  clients          = module.cluster.security_group
  type             = var.database_type
  gigabytes        = var.database_gigabytes
  max_connections  = var.database_max_connections
  password         = var.database_password
  password_version = var.database_password_version
  kms_key          = module.secrets.kms_key
}

module "broker" {
  source = "./modules/broker"

  name           = var.name
  vpc            = module.network.vpc
  subnets        = module.network.broker_subnets
  clients        = module.cluster.security_group
  type           = var.broker_type
  engine_version = var.broker_version
  password       = var.broker_password
}

module "edge" {
  source = "./modules/edge"

  name          = var.name
  domain        = var.domain
  zone_id       = data.aws_route53_zone.shop.zone_id
  vpc           = module.network.vpc
  subnets       = module.network.public_subnets
  nodes         = module.cluster.security_group
  scaling_group = module.cluster.scaling_group
  kms_key       = module.secrets.kms_key
}

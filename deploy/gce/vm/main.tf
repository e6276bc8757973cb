# One virtual machine with a static address that serves a model with Kaika. See ../README.md.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

variable "project" {
  type        = string
  description = "ID of the project that is billed."
}

variable "zone" {
  type        = string
  default     = "us-central1-a"
  description = "Where the machine stands."
}

variable "machine_type" {
  type        = string
  default     = "e2-medium"
  description = "2 processors and 4 GB; c3-standard-4 answers several times as fast."
}

variable "package" {
  type        = string
  description = "gs://BUCKET/kaika_VERSION_amd64.deb, which make deb made."
}

variable "model" {
  type        = string
  description = "gs://BUCKET/NAME.tar, a model folder packed by: tar -C NAME -cf NAME.tar ."
}

variable "options" {
  type        = string
  default     = "--public_classify"
  description = "More options of kaika --headless."
}

variable "auth_secret" {
  type        = string
  default     = ""
  description = "Name of a secret in Secret Manager with lines NAME:HASH. Without it nobody may change things."
}

variable "domain" {
  type        = string
  default     = ""
  description = "A domain for HTTPS, whose A record you point to the address that is printed. Without it: HTTP at port 8080."
}

variable "clients" {
  type        = list(string)
  default     = ["0.0.0.0/0"]
  description = "Networks that may reach the machine."
}

provider "google" {
  project = var.project
  region  = join("-", slice(split("-", var.zone), 0, 2))
  zone    = var.zone
}

locals {
  buckets = toset([for address in [var.package, var.model] : split("/", trimprefix(address, "gs://"))[0]])
}

resource "google_service_account" "kaika" {
  account_id   = "kaika-vm"
  display_name = "The machine that serves Kaika"
}

# It may read the two files, and write its log. Nothing else.
resource "google_storage_bucket_iam_member" "read" {
  for_each = local.buckets
  bucket   = each.value
  role     = "roles/storage.objectViewer"
  member   = google_service_account.kaika.member
}

resource "google_project_iam_member" "log" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.kaika.member
}

resource "google_secret_manager_secret_iam_member" "auth" {
  count     = var.auth_secret == "" ? 0 : 1
  secret_id = var.auth_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.kaika.member
}

resource "google_compute_address" "kaika" {
  name = "kaika"
}

resource "google_compute_firewall" "kaika" {
  name          = "kaika"
  network       = "default"
  source_ranges = var.clients
  target_tags   = ["kaika"]

  allow {
    protocol = "tcp"
    ports    = var.domain == "" ? ["8080"] : ["80", "443"]
  }
}

resource "google_compute_instance" "kaika" {
  name         = "kaika"
  machine_type = var.machine_type
  tags         = ["kaika"]
  # For another machine_type.
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "debian-cloud/debian-12"
      size  = 20
    }
  }

  network_interface {
    network = "default"
    access_config {
      nat_ip = google_compute_address.kaika.address
    }
  }

  service_account {
    email  = google_service_account.kaika.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot = true
  }

  metadata = {
    kaika-package  = var.package
    kaika-model    = var.model
    kaika-options  = var.options
    kaika-auth     = var.auth_secret
    kaika-domain   = var.domain
    startup-script = file("${path.module}/../startup.sh")
  }

  depends_on = [google_storage_bucket_iam_member.read, google_secret_manager_secret_iam_member.auth]
}

output "address" {
  value = var.domain == "" ? "http://${google_compute_address.kaika.address}:8080/" : "https://${var.domain}/ (let its A record point to ${google_compute_address.kaika.address})"
}

# A group of machines behind a load balancer, which grows and shrinks with the work. See ../README.md.

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

variable "region" {
  type        = string
  default     = "us-central1"
  description = "Where the machines stand; they are spread over its zones."
}

variable "machine_type" {
  type        = string
  default     = "e2-standard-2"
  description = "2 processors and 8 GB."
}

variable "smallest" {
  type        = number
  default     = 2
  description = "Machines that are always there."
}

variable "largest" {
  type        = number
  default     = 6
  description = "Machines at most, and so the bill at most."
}

variable "package" {
  type        = string
  description = "gs://BUCKET/kaika_VERSION_amd64.deb, which make deb made."
}

variable "model" {
  type        = string
  description = "gs://BUCKET/NAME.tar, a model folder packed by: tar -C NAME -cf NAME.tar ."
}

variable "domain" {
  type        = string
  description = "A domain for HTTPS, whose A record you point to the address that is printed."
}

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  buckets = toset([for address in [var.package, var.model] : split("/", trimprefix(address, "gs://"))[0]])
  # Where Google's load balancers and health checks come from.
  balancers = ["130.211.0.0/22", "35.191.0.0/16"]
}

resource "google_service_account" "kaika" {
  account_id   = "kaika-group"
  display_name = "The machines that serve Kaika"
}

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

resource "google_compute_network" "kaika" {
  name                    = "kaika"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "kaika" {
  name                     = "kaika"
  network                  = google_compute_network.kaika.id
  ip_cidr_range            = "10.10.0.0/24"
  private_ip_google_access = true
}

# The machines have no addresses of their own; Debian's packages come through this.
resource "google_compute_router" "kaika" {
  name    = "kaika"
  network = google_compute_network.kaika.id
}

resource "google_compute_router_nat" "kaika" {
  name                               = "kaika"
  router                             = google_compute_router.kaika.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_firewall" "kaika" {
  name          = "kaika-balancers"
  network       = google_compute_network.kaika.id
  source_ranges = local.balancers
  target_tags   = ["kaika"]

  allow {
    protocol = "tcp"
    ports    = ["8080"]
  }
}

resource "google_compute_instance_template" "kaika" {
  name_prefix  = "kaika-"
  machine_type = var.machine_type
  tags         = ["kaika"]

  disk {
    source_image = "debian-cloud/debian-12"
    disk_size_gb = 20
    boot         = true
  }

  network_interface {
    subnetwork = google_compute_subnetwork.kaika.id
  }

  service_account {
    email  = google_service_account.kaika.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot = true
  }

  metadata = {
    kaika-package = var.package
    kaika-model   = var.model
    # The balancer alone reaches the machines. It says for whom it asks, and after that its own address.
    kaika-options  = "--public_classify --trusted_proxies=${join(",", concat(local.balancers, [google_compute_global_address.kaika.address]))}"
    startup-script = file("${path.module}/../startup.sh")
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_storage_bucket_iam_member.read]
}

# /readyz says no before a model is there and while a machine stops: then it gets no requests. /healthz says only that the
# program lives: a machine without it is made anew.
resource "google_compute_health_check" "ready" {
  name                = "kaika-ready"
  check_interval_sec  = 5
  timeout_sec         = 3
  unhealthy_threshold = 2

  http_health_check {
    port         = 8080
    request_path = "/readyz"
  }
}

resource "google_compute_health_check" "alive" {
  name                = "kaika-alive"
  check_interval_sec  = 10
  timeout_sec         = 5
  unhealthy_threshold = 6

  http_health_check {
    port         = 8080
    request_path = "/healthz"
  }
}

resource "google_compute_region_instance_group_manager" "kaika" {
  name               = "kaika"
  base_instance_name = "kaika"

  version {
    instance_template = google_compute_instance_template.kaika.id
  }

  named_port {
    name = "http"
    port = 8080
  }

  auto_healing_policies {
    health_check = google_compute_health_check.alive.id
    # Setting a machine up takes two to five minutes, and the start-up script waits ten more for what it may read.
    initial_delay_sec = 900
  }

  # A new model or program: new machines first, then the old ones go.
  update_policy {
    type                  = "PROACTIVE"
    minimal_action        = "REPLACE"
    max_surge_fixed       = 3
    max_unavailable_fixed = 0
  }

  depends_on = [google_compute_router_nat.kaika]
}

resource "google_compute_region_autoscaler" "kaika" {
  name   = "kaika"
  target = google_compute_region_instance_group_manager.kaika.id

  autoscaling_policy {
    min_replicas    = var.smallest
    max_replicas    = var.largest
    cooldown_period = 180

    cpu_utilization {
      target = 0.7
    }
  }
}

resource "google_compute_backend_service" "kaika" {
  name                            = "kaika"
  protocol                        = "HTTP"
  port_name                       = "http"
  load_balancing_scheme           = "EXTERNAL_MANAGED"
  timeout_sec                     = 300 # For the whole of a request and its answer: many photos over a slow line.
  connection_draining_timeout_sec = 30
  health_checks                   = [google_compute_health_check.ready.id]

  backend {
    group           = google_compute_region_instance_group_manager.kaika.instance_group
    balancing_mode  = "UTILIZATION"
    max_utilization = 0.8
  }
}

resource "google_compute_global_address" "kaika" {
  name = "kaika"
}

resource "google_compute_managed_ssl_certificate" "kaika" {
  name = "kaika"

  managed {
    domains = [var.domain]
  }
}

resource "google_compute_url_map" "kaika" {
  name            = "kaika"
  default_service = google_compute_backend_service.kaika.id
}

resource "google_compute_url_map" "https" {
  name = "kaika-https"

  default_url_redirect {
    https_redirect         = true
    strip_query            = false
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
  }
}

resource "google_compute_target_https_proxy" "kaika" {
  name             = "kaika"
  url_map          = google_compute_url_map.kaika.id
  ssl_certificates = [google_compute_managed_ssl_certificate.kaika.id]
}

resource "google_compute_target_http_proxy" "kaika" {
  name    = "kaika"
  url_map = google_compute_url_map.https.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "kaika-https"
  ip_address            = google_compute_global_address.kaika.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.kaika.id
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "kaika-http"
  ip_address            = google_compute_global_address.kaika.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.kaika.id
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

output "address" {
  value = "https://${var.domain}/ (let its A record point to ${google_compute_global_address.kaika.address}; the certificate comes up to an hour later)"
}

// Package metrics shows what a site's node does as Prometheus metrics
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
//
// Each node has a registry of its own. What the node counts anyway is read when it is scraped, so that a metric costs nothing
// between two scrapes; only how long rounds took is kept here. Names begin with weft_, times are in seconds, sizes in bytes.
// docs/metrics.md lists them all.
package metrics

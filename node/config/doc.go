// Package config is a site's own configuration, the file config.yaml: reading, checking, and the text of
// a new one with every field explained.
//
// The trainer's settings are read and checked by the trainer's kind, which package train knows.
package config

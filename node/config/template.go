package config

import (
	_ "embed"
	"strconv"
	"strings"
)

//go:embed config.yaml.tmpl
var configTemplate string

// DefaultYAML returns the text of a new site's config.yaml, every field with its comment.
func DefaultYAML(name string) string {
	return strings.Replace(configTemplate, "NAME", strconv.Quote(name), 1)
}

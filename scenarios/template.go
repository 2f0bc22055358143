package scenarios

import _ "embed"

//go:embed template.yaml
var template string

// Template returns a scenario file to begin with, commented.
func Template() string { return template }

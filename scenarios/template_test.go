package scenarios

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumented: the page has the template, and every field that a file can have.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(b), "```yaml\n"+Template()+"```\n")
	if !found {
		t.Error("the sample file is not the template")
	}
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(before+after, "")
	var code strings.Builder
	for _, span := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(prose, -1) {
		code.WriteString(span[1] + "\n")
	}
	for _, field := range fields(reflect.TypeFor[Scenario]()) {
		if !regexp.MustCompile(`\b` + field + `\b`).MatchString(code.String()) {
			t.Errorf("%s is not documented", field)
		}
	}
}

// fields lists the names of a type's fields in a file, and those of the types in it.
func fields(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fields(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "-" {
				names = append(append(names, name), fields(t.Field(i).Type)...)
			}
		}
	}
	return names
}

// TestTemplateComments: what the template has in comments are fields too.
func TestTemplateComments(t *testing.T) {
	lines := strings.Split(Template(), "\n")
	commented := regexp.MustCompile(`^( *)# ((- \{)?[a-z_]+: .*)$`)
	tried := 0
	for i, line := range lines {
		if !commented.MatchString(line) {
			continue
		}
		tried++
		with := slices.Clone(lines)
		with[i] = commented.ReplaceAllString(line, "$1$2")
		_, err := Parse("template.yaml", []byte(strings.Join(with, "\n")))
		if err != nil && strings.Contains(err.Error(), "unknown field") { // builtin and data do not go with synthetic
			t.Errorf("%s: %v", line, err)
		}
	}
	if tried != 10 {
		t.Errorf("%d lines", tried)
	}
}

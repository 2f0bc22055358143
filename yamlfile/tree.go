package yamlfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Tree is a file to be edited. What is not edited stays as it is written, comments and blank lines too; only the space
// before a comment that ends a line becomes one blank.
type Tree struct{ file *ast.File }

// ParseTree reads a file's text for editing.
func ParseTree(text string) (*Tree, error) {
	file, err := parser.ParseBytes([]byte(text), parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &Tree{file}, nil
}

// Set gives a field that the file has, such as trainer.builtin.data, another text.
func (t *Tree) Set(field, value string) error { return t.set(field, quoted(value)) }

// SetList gives a field that the file has a list of texts.
func (t *Tree) SetList(field string, values []string) error {
	if len(values) == 0 {
		return t.set(field, "[]")
	}
	var list strings.Builder
	for _, v := range values {
		list.WriteString("- " + quoted(v) + "\n")
	}
	return t.set(field, list.String())
}

// SetValue gives a field that the file has another value, on one line, in place of what it holds, comments included.
func (t *Tree) SetValue(field string, value any) error {
	text, err := yaml.MarshalWithOptions(value, yaml.Flow(true))
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return t.set(field, string(text))
}

func (t *Tree) set(field, value string) error {
	path, err := yaml.PathString("$." + field)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if _, err := path.FilterFile(t.file); err != nil { // what is not there would not be replaced, and nothing said
		return fmt.Errorf("no field %s: %w", field, err)
	}
	return path.ReplaceWithReader(t.file, strings.NewReader(value))
}

// String returns the file's text.
func (t *Tree) String() string { return t.file.String() }

// plain is what reads well without quotation marks.
var plain = regexp.MustCompile(`^[a-zA-Z0-9/._-]+$`)

// quoted writes a text as YAML, in quotation marks unless it is surely read as text without them.
func quoted(s string) string {
	if plain.MatchString(s) && !token.IsNeedQuoted(s) {
		return s
	}
	return strconv.Quote(s)
}

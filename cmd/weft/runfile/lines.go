package runfile

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// where takes line and text out of the YAML library's error.
func where(err error) (int, string) {
	var e yaml.Error
	if !errors.As(err, &e) {
		return 0, err.Error()
	}
	line := 0
	if t := e.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	text := e.GetMessage()
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		text += "; the fields are in docs/cli.md"
	}
	return line, strings.ReplaceAll(text, "\n", " ")
}

// linesOf returns the line of every key, nested ones as "late.weight".
func linesOf(body ast.Node) map[string]int {
	lines := map[string]int{}
	var walk func(prefix string, n ast.Node)
	walk = func(prefix string, n ast.Node) {
		var pairs []*ast.MappingValueNode
		switch v := n.(type) {
		case *ast.MappingNode:
			pairs = v.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{v}
		}
		for _, p := range pairs {
			key := prefix + p.Key.GetToken().Value
			lines[key] = p.Key.GetToken().Position.Line
			walk(key+".", p.Value)
		}
	}
	walk("", body)
	return lines
}

// finder looks for nodes that make a small file large.
type finder struct{ line int }

var _ ast.Visitor = (*finder)(nil)

// Visit notes the first anchor or alias.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		if f.line == 0 {
			f.line = n.GetToken().Position.Line
		}
	}
	return f
}

// anchors returns the line of the first anchor, alias or merge key, or 0.
func anchors(n ast.Node) int {
	var f finder
	ast.Walk(&f, n)
	return f.line
}

package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// File is a file that has been read, for saying where in it something is wrong.
type File struct {
	name string
	tree *ast.File
}

// Decode reads a file's text of at most so many bytes into a pointer to a struct with yaml tags;
// fields that the file does not have stay as they are. Errors are of type *Error.
func Decode(name string, data []byte, most int, into any) (*File, error) {
	if len(data) > most {
		return nil, &Error{File: name, Text: fmt.Sprintf("%d bytes, at most %d", len(data), most)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // Windows' editors mark UTF-8 so
	f := &File{name: name}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, f.wrap(err)
	}
	f.tree = tree
	if len(tree.Docs) > 1 {
		return nil, &Error{File: name, Text: fmt.Sprintf("%d YAML documents, want one", len(tree.Docs))}
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return f, nil // the caller's checks say what is missing
	}
	if line := unread(tree.Docs[0].Body); line > 0 {
		return nil, &Error{File: name, Line: line, Text: "anchors, aliases and tags are not read"}
	}
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(into)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, f.wrap(err)
	}
	return f, nil
}

// Wrong returns an error about a field, such as late.weight or listen[1]. It names the field's
// line, or that of the nearest field above it that the file has.
func (f *File) Wrong(field, format string, args ...any) *Error {
	return &Error{File: f.name, Line: f.line(field), Field: field, Text: fmt.Sprintf(format, args...)}
}

// line walks down the tree along the field's path, as far as the file goes.
func (f *File) line(field string) int {
	if len(f.tree.Docs) == 0 || f.tree.Docs[0].Body == nil {
		return 0
	}
	n, line := f.tree.Docs[0].Body, 0
	for _, step := range strings.FieldsFunc(field, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := child(n, step)
		if next == nil {
			break
		}
		n, line = next, next.GetToken().Position.Line
		if p, ok := next.(*ast.MappingValueNode); ok { // the line is the key's
			n, line = p.Value, p.Key.GetToken().Position.Line
		}
	}
	return line
}

// child returns what a field's name or an element's number leads to, or nil.
func child(n ast.Node, step string) ast.Node {
	switch v := n.(type) {
	case *ast.MappingNode:
		for _, p := range v.Values {
			if p.Key.GetToken().Value == step {
				return p
			}
		}
	case *ast.MappingValueNode: // of one field
		if v.Key.GetToken().Value == step {
			return v
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v.Values) {
			return v.Values[i]
		}
	}
	return nil
}

// field returns the path of the field or element whose value begins at a position, or "".
func (f *File) field(at *token.Position) string {
	if f.tree.Docs[0].Body == nil {
		return ""
	}
	return fieldAt(f.tree.Docs[0].Body, "", at)
}

func fieldAt(n ast.Node, path string, at *token.Position) string {
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line == at.Line && t.Position.Column == at.Column {
		return path
	}
	pairs := []*ast.MappingValueNode(nil)
	switch v := n.(type) {
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = append(pairs, v)
	case *ast.SequenceNode:
		for i, e := range v.Values {
			if found := fieldAt(e, fmt.Sprintf("%s[%d]", path, i), at); found != "" {
				return found
			}
		}
	}
	if path != "" {
		path += "."
	}
	for _, p := range pairs {
		if found := fieldAt(p.Value, path+p.Key.GetToken().Value, at); found != "" {
			return found
		}
	}
	return ""
}

// finder looks for nodes that are not read: anchors and aliases make a small file large, a tag
// may be one that the YAML library panics at.
type finder struct{ line int }

var _ ast.Visitor = (*finder)(nil)

// Visit notes the first of them.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		if f.line == 0 {
			f.line = n.GetToken().Position.Line
		}
	}
	return f
}

// unread returns the line of the first anchor, alias, merge key or tag, or 0.
func unread(n ast.Node) int {
	var f finder
	ast.Walk(&f, n)
	return f.line
}

package yamlfile

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Error says what is wrong where.
type Error struct {
	File  string
	Line  int    // 0: the file as a whole
	Field string // such as late.weight or listen[1]; empty if the text says it
	Text  string
	Hint  string // what to do about it, or empty
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Text
}

// wrap takes line, field and text out of the YAML library's error.
func (f *File) wrap(err error) *Error {
	e := &Error{File: f.name, Text: err.Error()}
	var at *token.Token
	var known yaml.Error
	if errors.As(err, &known) {
		e.Text = known.GetMessage()
		at = known.GetToken()
	}
	var unknown *yaml.UnknownFieldError
	if at != nil && at.Position != nil {
		e.Line = at.Position.Line
		if !errors.As(err, &unknown) && f.tree != nil {
			e.Field = f.field(at.Position)
		}
	}
	var mismatch *yaml.TypeError
	if errors.As(err, &mismatch) { // the library's words name Go types
		e.Text = "want " + describe(mismatch.DstType)
	}
	var overflow *yaml.OverflowError
	if errors.As(err, &overflow) {
		e.Text = fmt.Sprintf("want %s, not %.40s", describe(overflow.DstType), overflow.SrcNum)
	}
	var node *yaml.UnexpectedNodeTypeError
	if errors.As(err, &node) {
		e.Text = fmt.Sprintf("want %s, not %s", kind(node.Expected), kind(node.Actual))
	}
	e.Text = strings.Join(strings.Fields(e.Text), " ")
	return e
}

// describe names what may stand where a Go type is read.
func describe(t reflect.Type) string {
	if t == nil {
		return "another kind of value"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Pointer:
		return "fields"
	}
	return "another kind of value"
}

// kind names a kind of node.
func kind(t ast.NodeType) string {
	switch t {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "fields"
	case ast.NullType:
		return "nothing"
	}
	return "a value"
}

package node

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Level is the least grave that is said: debug, info, warn or error.
type Level slog.Level

// UnmarshalYAML reads a level's name.
func (l *Level) UnmarshalYAML(node ast.Node) error {
	if err := (*slog.Level)(l).UnmarshalText([]byte(node.GetToken().Value)); err != nil {
		return &yaml.SyntaxError{Message: "want debug, info, warn or error", Token: node.GetToken()}
	}
	return nil
}

// Scalar is a value as it is written: 0.10 stays 0.10, yes stays yes.
type Scalar string

// UnmarshalYAML takes the node's text.
func (s *Scalar) UnmarshalYAML(node ast.Node) error {
	switch n := node.(type) {
	case *ast.StringNode:
		*s = Scalar(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		*s = Scalar(node.GetToken().Value)
	default:
		return &yaml.SyntaxError{Message: "want a number or a word", Token: node.GetToken()}
	}
	return nil
}

// ByteSize is a number of bytes, written such as 50MB or 64MiB.
type ByteSize uint64

// UnmarshalYAML reads a number with an optional unit.
func (b *ByteSize) UnmarshalYAML(node ast.Node) error {
	n, err := parseByteSize(strings.TrimSpace(node.String()))
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: node.GetToken()}
	}
	*b = n
	return nil
}

func parseByteSize(s string) (ByteSize, error) {
	digits := strings.TrimRight(s, "kKmMgGiIbB ")
	unit := strings.ToUpper(strings.TrimSpace(s[len(digits):]))
	units := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
	scale, ok := units[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || !(n >= 0 && n*scale <= 1<<44) {
		return 0, fmt.Errorf("%q is not a size up to 16 TiB, such as 50MB or 64MiB", s)
	}
	return ByteSize(n * scale), nil
}

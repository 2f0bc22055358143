package yamlfile

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

var (
	_ yaml.NodeUnmarshaler = (*Scalar)(nil)
	_ yaml.NodeUnmarshaler = (*Value)(nil)
	_ yaml.NodeUnmarshaler = (*Count)(nil)
	_ yaml.NodeUnmarshaler = (*Size)(nil)
	_ yaml.NodeUnmarshaler = (*Duration)(nil)
)

// Wrong returns an error about the value that a node holds, for types that read themselves.
func Wrong(n ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: n.GetToken()}
}

// Scalar is a value as it is written: 0.10 stays 0.10, yes stays yes.
type Scalar string

// UnmarshalYAML takes the node's text.
func (s *Scalar) UnmarshalYAML(n ast.Node) error {
	switch v := n.(type) {
	case *ast.StringNode:
		*s = Scalar(v.Value)
	case *ast.LiteralNode:
		*s = Scalar(v.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		*s = Scalar(n.GetToken().Value)
	default:
		return Wrong(n, "want a number or a word, not %s", written(n))
	}
	return nil
}

// Value is a value of whatever kind: a single one as it is written, like a Scalar, and a list or an object as JSON.
type Value string

// UnmarshalYAML takes the node's text.
func (v *Value) UnmarshalYAML(n ast.Node) error {
	switch n.Type() {
	case ast.SequenceType, ast.MappingType, ast.MappingValueType:
	default:
		return (*Scalar)(v).UnmarshalYAML(n)
	}
	tree, err := plainOf(n)
	if err != nil {
		return err
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return Wrong(n, "numbers are finite: %v", err)
	}
	*v = Value(data)
	return nil
}

// plainOf returns what a node holds as JSON has it.
func plainOf(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, v := range n.Values {
			var err error
			if list[i], err = plainOf(v); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *ast.MappingNode:
		return objectOf(n.Values)
	case *ast.MappingValueNode:
		return objectOf([]*ast.MappingValueNode{n})
	}
	var single any
	if err := yaml.NodeToValue(n, &single); err != nil {
		return nil, err
	}
	if s, ok := single.(string); ok && n.GetToken().Type == token.StringType && jsonNumber.MatchString(s) {
		return json.Number(s), nil // the YAML library takes 1e-3 for a word
	}
	return single, nil
}

func objectOf(fields []*ast.MappingValueNode) (any, error) {
	object := map[string]any{}
	for _, f := range fields {
		v, err := plainOf(f.Value)
		if err != nil {
			return nil, err
		}
		object[f.Key.GetToken().Value] = v
	}
	return object, nil
}

// jsonNumber is a number as JSON writes it.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// text returns a node's text if it is a single value.
func text(n ast.Node) (string, bool) {
	var s Scalar
	err := s.UnmarshalYAML(n)
	return strings.TrimSpace(string(s)), err == nil
}

// written is a single value as it is written, or what kind of node it is.
func written(n ast.Node) string {
	if v, ok := n.(ast.ScalarNode); ok {
		return fmt.Sprintf("%.40s", v)
	}
	return kind(n.Type())
}

// Count is a whole number, not negative. The YAML library by itself cuts 1.5 down to 1.
type Count uint64

// UnmarshalYAML reads a whole number.
func (c *Count) UnmarshalYAML(n ast.Node) error {
	v, err := Whole(n, 0)
	*c = Count(v)
	return err
}

// Whole reads a whole number that is not less than least.
func Whole(n ast.Node, least uint64) (uint64, error) {
	if v, ok := n.(*ast.IntegerNode); ok {
		if whole, ok := v.Value.(uint64); ok && whole >= least {
			return whole, nil
		}
	}
	return 0, Wrong(n, "want a whole number from %d, not %s", least, written(n))
}

// Size is a number of bytes, written such as 50MB or 64MiB.
type Size uint64

// String writes a size with its unit.
func (b Size) String() string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	n := float64(b)
	for n >= 999.95 && len(units) > 1 {
		n, units = n/1000, units[1:]
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + units[0]
}

// UnmarshalYAML reads a number with an optional unit.
func (b *Size) UnmarshalYAML(n ast.Node) error {
	s, _ := text(n)
	v, err := ParseSize(s)
	if err != nil {
		return Wrong(n, "%v", err)
	}
	*b = v
	return nil
}

// ParseSize reads a number with an optional unit, up to 16 TiB.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "kKmMgGtTiIbB ")
	unit := strings.ToUpper(strings.TrimSpace(s[len(digits):]))
	units := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
	scale, ok := units[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || !(n >= 0 && n*scale <= 1<<44) {
		return 0, fmt.Errorf("%.40q is not a size up to 16 TiB, such as 50MB or 64MiB", s)
	}
	return Size(n * scale), nil
}

// Duration is a time span, written such as 250ms, 90s, 2h or 1d12h.
type Duration time.Duration

// MaxDuration is the longest time span that is read.
const MaxDuration = 366 * 24 * time.Hour

// UnmarshalYAML reads numbers with units.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	s, _ := text(n)
	v, err := ParseDuration(s)
	if err != nil {
		return Wrong(n, "%v", err)
	}
	*d = Duration(v)
	return nil
}

// ParseDuration reads a time span of up to a year; it is not negative.
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%.40q is not a time span up to a year, such as 250ms, 90s, 2h or 1d12h", s)
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		days, rest = "0", s
	}
	if s == "" {
		return 0, bad
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, bad
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 || more > MaxDuration {
			return 0, bad
		}
		d += more
	}
	if d > MaxDuration {
		return 0, bad
	}
	return d, nil
}

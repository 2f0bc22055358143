package scenarios

import (
	"encoding"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/weft-mesh/weft/yamlfile"
)

var _ = []yaml.NodeUnmarshaler{(*Duration)(nil), (*Size)(nil), (*Rate)(nil), (*Part)(nil), (*Factor)(nil), (*Number)(nil), (*Names)(nil)}

// Factor says how many times as fast something is.
type Factor float64

// MarshalText writes what UnmarshalText reads.
func (f Factor) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(f), 'g', -1, 64)), nil
}

// UnmarshalText reads a number that is more than 0 and not out of all proportion.
func (f *Factor) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(v >= 0.001 && v <= 1000) {
		return fmt.Errorf("%s, want 0.001 to 1000: 2 for twice as fast", b)
	}
	*f = Factor(v)
	return nil
}

// Duration is a time span as people write it: 90s, 1m30s, 200ms, 2h.
type Duration time.Duration

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a time span that is not negative.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := yamlfile.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes: 500 kB, 1.5MB, 64 MiB.
type Size int64

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatInt(int64(s), 10) + " B"), nil
}

// UnmarshalText reads a size up to 16 TiB.
func (s *Size) UnmarshalText(b []byte) error {
	v, err := yamlfile.ParseSize(string(b))
	*s = Size(v)
	return err
}

// Rate is bits per second, as links are sold: 100 Mbit/s, 1 Gbit/s.
type Rate float64

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(r)/1e6, 'f', -1, 64) + " Mbit/s"), nil
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(b []byte) error {
	n, unit, err := quantity(string(b))
	unit = strings.TrimSuffix(strings.ToLower(unit), "/s")
	scale, ok := map[string]float64{"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}[unit]
	if err != nil || !ok || !(n > 0 && n*scale >= 1000 && n*scale <= 1e13) {
		return fmt.Errorf("%.40q is not a rate, such as 20 Mbit/s", b)
	}
	*r = Rate(n * scale)
	return nil
}

// Bytes returns the rate in bytes per second.
func (r Rate) Bytes() float64 { return float64(r) / 8 }

// Part is a part of something: 0.2 or 20%.
type Part float64

// MarshalText writes what UnmarshalText reads.
func (p Part) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(p), 'g', -1, 64)), nil
}

// UnmarshalText reads a part from 0 to 1.
func (p *Part) UnmarshalText(b []byte) error {
	n, unit, err := quantity(string(b))
	if unit == "%" {
		n /= 100
	}
	if err != nil || unit != "" && unit != "%" || !(n >= 0 && n <= 1) {
		return fmt.Errorf("%.40q is not a part of something, such as 20%% or 0.2", b)
	}
	*p = Part(n)
	return nil
}

// Number is how many there are of something, 1 or more; 0: it is not said.
type Number int

// UnmarshalYAML reads it in a file.
func (m *Number) UnmarshalYAML(n ast.Node) error {
	v, err := yamlfile.Whole(n, 1)
	*m = Number(min(v, math.MaxInt32))
	return err
}

// Names are of sites and groups.
type Names []string

// UnmarshalYAML reads a list.
func (m *Names) UnmarshalYAML(n ast.Node) error {
	if _, ok := n.(*ast.SequenceNode); !ok {
		return yamlfile.Wrong(n, "want a list of sites, such as [bank-3]")
	}
	return yaml.NodeToValue(n, (*[]string)(m))
}

// UnmarshalYAML reads it in a file.
func (f *Factor) UnmarshalYAML(n ast.Node) error { return read(n, f) }

// UnmarshalYAML reads it in a file.
func (d *Duration) UnmarshalYAML(n ast.Node) error { return read(n, d) }

// UnmarshalYAML reads it in a file.
func (s *Size) UnmarshalYAML(n ast.Node) error { return read(n, s) }

// UnmarshalYAML reads it in a file.
func (r *Rate) UnmarshalYAML(n ast.Node) error { return read(n, r) }

// UnmarshalYAML reads it in a file.
func (p *Part) UnmarshalYAML(n ast.Node) error { return read(n, p) }

// read takes a value from its text; what is wrong with it is an error of its line.
func read(n ast.Node, into encoding.TextUnmarshaler) error {
	var s yamlfile.Scalar
	if err := s.UnmarshalYAML(n); err != nil {
		return err
	}
	if err := into.UnmarshalText([]byte(s)); err != nil {
		return yamlfile.Wrong(n, "%v", err)
	}
	return nil
}

// quantity splits "1.5 MB" into its number and its unit.
func quantity(s string) (float64, string, error) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.", r) })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err == nil && math.IsInf(n, 0) {
		err = strconv.ErrRange
	}
	return n, strings.TrimSpace(s[end:]), err
}

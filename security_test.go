package weft

import (
	"fmt"
	"go/constant"
	"go/types"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var limitRow = regexp.MustCompile("^\\| .* \\| ([^|]+) \\| `([a-z/]+)\\.(\\w+)` \\|$")

// TestSecurityLimits: the limits in docs/security.md are the constants of the code.
func TestSecurityLimits(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## Limits\n")
	table, _, _ := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("docs/security.md has no limits")
	}
	list, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]*types.Package{}
	for _, p := range list {
		packages[p.name] = p.types
	}
	rows := 0
	for line := range strings.Lines(table) {
		row := limitRow.FindStringSubmatch(strings.TrimSpace(line))
		switch {
		case row == nil && strings.HasPrefix(line, "| ") && strings.Contains(line, "`"):
			t.Errorf("docs/security.md: no limit can be read in %q: want | what | limit | `package.constant` |", strings.TrimSpace(line))
			continue
		case row == nil:
			continue
		}
		rows++
		said, err := amount(row[1])
		if err != nil {
			t.Errorf("docs/security.md: %s.%s: %v", row[2], row[3], err)
			continue
		}
		p := packages[row[2]]
		if p == nil {
			t.Errorf("docs/security.md: no package %s", row[2])
			continue
		}
		c, ok := p.Scope().Lookup(row[3]).(*types.Const)
		if !ok {
			t.Errorf("docs/security.md: no constant %s.%s", row[2], row[3])
			continue
		}
		if is, _ := constant.Int64Val(constant.ToInt(c.Val())); is != said {
			t.Errorf("docs/security.md says %q of %s.%s, which is %s", row[1], row[2], row[3], c.Val())
		}
	}
	if rows < 20 {
		t.Errorf("%d limits, want all of them", rows)
	}
}

var units = map[string]int64{
	"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"ms": int64(time.Millisecond), "s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour),
}

// amount reads a limit as people write it: 1,024, 2^40, 512 KiB, 10 s.
func amount(text string) (int64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	by, known := units[unit]
	if !known {
		return 0, fmt.Errorf("%q has no unit that is known", text)
	}
	if power, ok := strings.CutPrefix(number, "2^"); ok {
		n, err := strconv.ParseUint(power, 10, 6)
		return by << n, err
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64)
	return n * by, err
}

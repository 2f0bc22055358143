package consensus_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fromLedger is all that an agreement uses of package ledger, and why. What an entry says is not among it.
var fromLedger = map[string]string{
	"Roster": "who votes", "CompareIDs": "the order of sites",
	"Signed": "a statement", "Verifier": "checks a statement", "Kind": "a statement", "Body": "a statement", "BodyOf": "a statement", "Register": "a statement",
	"Vote": "a vote", "KindPrevote": "a vote", "KindPrecommit": "a vote",
	"Certificate": "a certificate", "CertVote": "a certificate",
	"MaxEntry": "a limit", "MaxSites": "a limit", "MaxProposal": "a limit", "MaxSmall": "a limit", "ErrMalformed": "why a statement is refused",
}

// TestOpaque: entries are opaque to an agreement. It names no kind of entry, imports of weft block and
// ledger alone, and of ledger uses what it is allowed to.
func TestOpaque(t *testing.T) {
	kinds := regexp.MustCompile(`Seal|Commit|Void|RunSpec|Consent|Update`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line := 0
		for text := range strings.Lines(string(src)) {
			if line++; kinds.MatchString(text) {
				t.Errorf("%s:%d names a kind of entry: %s", name, line, strings.TrimSpace(text))
			}
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			to, weft := strings.CutPrefix(path, "github.com/weft-mesh/weft/")
			if weft && (to != "block" && to != "ledger" || i.Name != nil) {
				t.Errorf("%s: import of %s", set.Position(i.Pos()), path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "ledger" {
				if used[s.Sel.Name] = true; fromLedger[s.Sel.Name] == "" {
					t.Errorf("%s: ledger.%s", set.Position(s.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
	for _, name := range slices.Sorted(maps.Keys(fromLedger)) {
		if !used[name] {
			t.Errorf("ledger.%s is allowed and not used any more", name)
		}
	}
}

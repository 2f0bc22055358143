package main

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/node/api"
)

func TestCommitTimes(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, c := range []struct {
		heights []uint64
		decided map[uint64]time.Time
		want    []time.Time
	}{
		{nil, nil, []time.Time{at(0)}},
		{[]uint64{3, 5}, nil, []time.Time{at(0), at(0)}},
		{[]uint64{3, 5}, map[uint64]time.Time{3: at(30), 4: at(40), 5: at(50)}, []time.Time{at(30), at(50)}},
		{[]uint64{3, 5, 7, 9}, map[uint64]time.Time{5: at(50), 7: at(70)}, []time.Time{at(50), at(50), at(70), at(70)}},
	} {
		var rounds []api.RoundStatus
		for _, h := range c.heights {
			rounds = append(rounds, api.RoundStatus{Height: h})
		}
		if got := commitTimes(rounds, c.decided); !slices.Equal(got, c.want) {
			t.Errorf("heights %v, decided %v: %v, want %v", c.heights, c.decided, got, c.want)
		}
	}
}

// TestFolderName: a site's name, which another site chose, names a folder of its own, and never one elsewhere.
func TestFolderName(t *testing.T) {
	seen := map[string]string{}
	for _, site := range []string{"hospital-a", "Charité Süd", "a/b", "a_b", "a%2Fb", `a\b`, "..", ".", "../../x", "...", "%2E."} {
		name := folderName(site)
		if other, taken := seen[name]; taken || name != filepath.Base(name) || name == ".." {
			t.Errorf("site %q: folder %q, also of %q", site, name, other)
		}
		seen[name] = site
	}
}

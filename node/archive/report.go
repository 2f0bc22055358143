package archive

import (
	"iter"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// Report is what the chain of certificates of a mesh proves. Whoever trusts the genesis, whose CID
// is Mesh, need trust nobody else: every entry below is certified by a quorum of its sites.
type Report struct {
	Mesh     block.CID     `json:"mesh"`
	MeshName string        `json:"mesh_name"`
	Faults   ledger.Faults `json:"faults"`
	Sites    []string      `json:"sites"`          // of the roster in force at the head
	Changes  uint64        `json:"roster_changes"` // of the roster since the genesis
	Quorum   int           `json:"quorum"`
	Height   uint64        `json:"height"`
	Head     block.CID     `json:"head"`
	Torn     int64         `json:"torn,omitempty"` // bytes at the log's end that are no whole record, as after a crash or a cut
	Runs     []RunReport   `json:"runs"`
	Models   []ModelReport `json:"models"`
	Signers  []Signer      `json:"signers"` // in the order of Sites, then those that were removed
}

// RunReport is a run of a verified ledger.
type RunReport struct {
	ID     block.CID      `json:"id"`
	Name   string         `json:"name"`
	By     string         `json:"by"`
	Base   block.CID      `json:"base"`
	Model  block.CID      `json:"model"` // newest committed, or the base
	Done   uint64         `json:"done"`  // committed rounds
	Rounds uint64         `json:"rounds"`
	Closed bool           `json:"closed"`         // ended early
	Best   *api.BestModel `json:"best,omitempty"` // by what the sites say that they measured; absent if the run chooses none
}

// ModelReport is a committed model of a verified ledger.
type ModelReport struct {
	Model   block.CID `json:"model"`
	Run     string    `json:"run"` // its name
	RunID   block.CID `json:"run_id"`
	Round   uint64    `json:"round"`
	Height  uint64    `json:"height"`
	Seal    block.CID `json:"seal"`
	Sites   []string  `json:"sites"`   // whose updates went in
	Signers []string  `json:"signers"` // of the certificate
	// Recomputed says what came of computing it anew from its sealed updates; nil unless asked for.
	Recomputed *Recomputed `json:"recomputed,omitempty"`
}

// Signer counts the certificates that a site signed.
type Signer struct {
	Site  string `json:"site"`
	Count uint64 `json:"count"`
}

func newReport(g *ledger.Genesis, l *ledger.Ledger) *Report {
	roster := l.Roster()
	r := &Report{
		Mesh: l.Mesh(), MeshName: g.Name, Faults: g.Faults, Changes: roster.Version(), Quorum: roster.Quorum(), Height: l.Height(), Head: l.Head(),
		Runs: []RunReport{}, Models: []ModelReport{},
	}
	counts := map[string]uint64{}
	for h := uint64(1); h <= l.Height(); h++ {
		for _, v := range l.At(h).Certificate.Votes {
			counts[l.Name(v.From)]++
		}
	}
	for _, s := range roster.ByName() {
		r.Sites = append(r.Sites, s.Name)
	}
	for _, name := range append(r.Sites[:len(r.Sites):len(r.Sites)], former(l)...) {
		r.Signers = append(r.Signers, Signer{name, counts[name]})
	}
	for _, run := range l.Runs() {
		r.Runs = append(r.Runs, RunReport{
			ID: run.ID, Name: run.Spec.Name, By: l.Name(run.Spec.By), Base: run.Spec.Base, Model: run.Base,
			Done: uint64(len(run.Commits)), Rounds: run.Spec.Rounds, Closed: run.Closed > 0 || run.Plateau > 0, Best: api.DescribeBest(run),
		})
	}
	for run, c := range commits(l) {
		r.Models = append(r.Models, reportModel(l, run, c))
	}
	return r
}

// commits yields the committed rounds, run by run.
func commits(l *ledger.Ledger) iter.Seq2[*ledger.Run, *ledger.CommitAt] {
	return func(yield func(*ledger.Run, *ledger.CommitAt) bool) {
		for _, run := range l.Runs() {
			for i := range run.Commits {
				if !yield(run, &run.Commits[i]) {
					return
				}
			}
		}
	}
}

// former returns the names of sites that are no longer there, in order.
func former(l *ledger.Ledger) (names []string) {
	for _, name := range l.Members() {
		if _, there := l.Roster().Find(name); !there && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func reportModel(l *ledger.Ledger, run *ledger.Run, c *ledger.CommitAt) ModelReport {
	m := ModelReport{Model: c.Model, Run: run.Spec.Name, RunID: run.ID, Round: c.Round, Height: c.Height, Seal: c.Seal}
	for _, id := range c.Sealed.Contributors() {
		m.Sites = append(m.Sites, l.Name(id))
	}
	slices.Sort(m.Sites)
	m.Signers = api.Signers(l, c.Height)
	return m
}

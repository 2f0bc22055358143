package node

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/tensor"
)

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(r) }

// Four sites train three rounds; all hold the same models, which are the weighted means of the updates.
func TestRounds(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, func(name, config string) string {
		if name == "a" {
			config += "keep_updates: true\nkeep_models: 10\n"
		}
		return config
	})
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "demo", Rounds: 3, MinSites: 4})
	var first api.RunStatus
	for i, s := range sites {
		r := s.awaitRounds(run, 3)
		if i == 0 {
			first = r
		}
		if r.Phase != api.PhaseDone || r.Round != 3 || r.Done != 3 || len(r.Takes) != 4 {
			t.Errorf("site %s: phase %s, round %d, takes %v", s.name, r.Phase, r.Round, r.Takes)
		}
		for j, h := range r.History {
			if h.Model != first.History[j].Model || h.Round != uint64(j+1) || len(h.Sites) != 4 || h.Took <= 0 {
				t.Errorf("site %s, round %d: %+v, site a has %+v", s.name, j+1, h, first.History[j])
			}
			if len(h.Metrics) != 4 || h.Metrics["c"]["loss"] == 0 {
				t.Errorf("round %d: metrics %v", j+1, h.Metrics)
			}
		}
	}
	checkPhases(t, first)
	checkMeans(t, sites[0], first)
	checkVerify(t, sites, first)
	if st, err := sites[1].client.Status(t.Context()); err != nil || st.Received < 3*3*modelBytes || st.Memory == 0 || st.Up != 4 || st.Problem != "" {
		t.Errorf("status %+v, %v", st, err)
	}
}

// checkPhases checks that the time of a round is that of its phases.
func checkPhases(t *testing.T, r api.RunStatus) {
	for _, h := range r.History {
		var sum int64
		for p, d := range h.Phases {
			if d < 0 {
				t.Errorf("round %d: phase %s took %s", h.Round, p, d)
			}
			sum += int64(d)
		}
		if sum != int64(h.Took) {
			t.Errorf("round %d took %d ns, its phases %d: %v", h.Round, h.Took, sum, h.Phases)
		}
		if h.Phases[api.PhaseTraining] == 0 || h.Phases[api.PhaseAnnouncing] == 0 || h.Phases[api.PhaseReducing] == 0 { // the others may commit before this site has the model
			t.Errorf("round %d: phases %v", h.Round, h.Phases)
		}
	}
}

// checkMeans computes each model from the sealed updates, in the plainest way.
func checkMeans(t *testing.T, s *testSite, r api.RunStatus) {
	entries, err := s.client.Ledger(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	models := map[uint64]block.CID{}
	for _, h := range r.History {
		models[h.Round] = h.Model
	}
	checked := 0
	for _, e := range entries {
		if ledger.As[ledger.Seal](e.Entry) == nil {
			continue
		}
		var acc []float64
		var header []byte
		var total uint64
		for _, u := range ledger.As[ledger.Seal](e.Entry).Updates {
			file := s.export(u.Update.Update().Manifest)
			h, err := tensor.ReadHeader(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			header = file[:h.DataOffset]
			data := file[h.DataOffset:]
			if acc == nil {
				acc = make([]float64, len(data)/4)
			}
			for i := range acc {
				acc[i] += float64(float64(u.Weight) * float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))))
			}
			total += u.Weight
		}
		want := slices.Clone(header)
		for _, a := range acc {
			want = binary.LittleEndian.AppendUint32(want, math.Float32bits(float32(a/float64(total))))
		}
		if got := s.export(models[ledger.As[ledger.Seal](e.Entry).Round]); !bytes.Equal(got, want) {
			t.Errorf("round %d: the model is not the mean of its updates", ledger.As[ledger.Seal](e.Entry).Round)
		}
		checked++
	}
	if checked != 3 {
		t.Errorf("%d seals, want 3", checked)
	}
}

// checkVerify checks the ledger offline, from a directory and from a CAR file.
func checkVerify(t *testing.T, sites []*testSite, r api.RunStatus) {
	want, err := archive.Verify(sites[0].dir)
	if err != nil {
		t.Fatal(err)
	}
	if want.Height != 7 || len(want.Models) != 3 || want.Models[2].Model != r.History[2].Model || len(want.Runs) != 1 || want.Runs[0].Model != r.History[2].Model {
		t.Errorf("report %+v", want)
	}
	for _, s := range sites[1:] {
		var car bytes.Buffer
		a, err := archive.Open(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.WriteCAR(&car); err != nil {
			t.Fatal(err)
		}
		got, err := archive.VerifyCAR(&car)
		if err != nil || got.Head != want.Head || got.Height != 7 || got.Mesh != want.Mesh {
			t.Errorf("CAR of site %s: %+v, %v", s.name, got, err)
		}
	}
}

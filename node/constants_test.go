package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// counted is a model with a normalisation's counter, a mask, weights of float64, and a tied weight, as frameworks write it.
func counted(t *testing.T) (path string, mask []byte) {
	t.Helper()
	header, data := map[string]any{"__metadata__": map[string]string{"format": "pt", "head.weight": "embed.weight"}}, []byte(nil)
	add := func(name, dtype string, shape []int, b []byte) {
		header[name] = map[string]any{"dtype": dtype, "shape": shape, "data_offsets": []int{len(data), len(data) + len(b)}}
		data = append(data, b...)
	}
	mask = bytes.Repeat([]byte{1, 0, 0, 1}, 3<<18) // three shards
	elements := func(v any) []byte {
		b, err := binary.Append(nil, binary.LittleEndian, v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	add("norm.num_batches_tracked", "I64", []int{}, elements(int64(77)))
	add("embed.weight", "F32", []int{4}, elements([]float32{1, 2, 3, 4}))
	add("attn.bias", "BOOL", []int{len(mask)}, mask)
	add("coef", "F64", []int{2}, elements([]float64{0.5, 0.1}))
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, mask
}

// tensorsOf returns the bytes of each tensor of a safetensors file, and its aliases.
func tensorsOf(t *testing.T, data []byte) (all map[string][]byte, aliases map[string]string) {
	t.Helper()
	file := bytes.NewReader(data)
	h, err := tensor.ReadHeader(file, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all = map[string][]byte{}
	for _, x := range h.Tensors {
		if all[x.Name], err = io.ReadAll(h.Data(file, x)); err != nil {
			t.Fatal(err)
		}
	}
	return all, h.Aliases()
}

// keeping is the synthetic trainer, which looks at the constants that it is given.
type keeping struct {
	train.Synthetic
	check func(train.Task) error

	mu    sync.Mutex
	tasks int
	wrong error
}

func (k *keeping) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	k.mu.Lock()
	k.tasks++
	k.wrong = errors.Join(k.wrong, k.check(task))
	k.mu.Unlock()
	return k.Synthetic.Run(ctx, task, report)
}

// TestConstants: what a model has beside its weights is part of no update, is with every task at every site, also one that comes
// late, and is in what goes out.
func TestConstants(t *testing.T) {
	t.Parallel()
	path, mask := counted(t)
	sites := newTestMesh(t, 4, nil)
	trainers := map[string]*keeping{}
	for _, s := range sites {
		trainers[s.name] = &keeping{check: func(task train.Task) error {
			data, err := os.ReadFile(task.Constants)
			if err != nil {
				return err
			}
			if !bytes.Contains(data, mask) || !maps.Equal(task.Aliases, map[string]string{"head.weight": "embed.weight"}) {
				return errors.New("the constants are others")
			}
			return nil
		}}
		s.trainer = trainers[s.name]
	}
	upAll(sites[:3])
	a, d := sites[0], sites[3]
	reply, err := a.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "counted", Rounds: 4, MinSites: 3, Attempts: 1}, Model: path})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(reply.Note, "float64 becomes float32: coef; the largest error is") {
		t.Errorf("the operator is told %q", reply.Note)
	}
	a.awaitRounds(reply.Run, 2)
	d.up(sites...)
	for _, s := range sites {
		s.awaitRounds(reply.Run, 4)
	}
	r := d.awaitRounds(reply.Run, 4)
	constants := r.Spec.Constants.Tensors()
	if !constants.Defined() {
		t.Fatalf("the run is %+v", r.Spec)
	}
	check := func(who string, body io.ReadCloser, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		all, aliases := tensorsOf(t, data)
		if len(all) != 4 || !bytes.Equal(all["attn.bias"], mask) || binary.LittleEndian.Uint64(all["norm.num_batches_tracked"]) != 77 || len(all["coef"]) != 8 || aliases["head.weight"] != "embed.weight" {
			t.Errorf("%s writes %d tensors, aliases %v", who, len(all), aliases)
		}
	}
	for _, s := range sites {
		s.awaitConstants(r.Spec)
		body, err := s.client.Model(t.Context(), reply.Run, r.History[3].Model)
		check(s.name, body, err)
		if k := trainers[s.name]; k.wrong != nil || k.tasks == 0 && s != d {
			t.Errorf("%s has had %d tasks: %v", s.name, k.tasks, k.wrong)
		}
	}
	if all, _ := tensorsOf(t, a.export(r.History[3].Model)); len(all) != 2 {
		t.Errorf("the committed model has %d tensors, want the weights alone", len(all))
	}

	stored, err := d.node.store.Path(constants)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, stored)
	if _, err := d.client.Model(t.Context(), reply.Run, r.History[3].Model); err == nil {
		t.Error("constants that went bad are written")
	}
	d.await("the constants to be fetched again", func(*api.Status) bool { return d.node.jobs.Check(t.Context(), constants) == nil })
	d.down()
	offline, err := archive.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	body, err := offline.Model(t.Context(), reply.Run, r.History[3].Model)
	check("the directory", body, err)
}

// awaitConstants waits until the site holds a run's constants, which may come after its models.
func (s *testSite) awaitConstants(spec *ledger.RunSpec) {
	s.t.Helper()
	s.await("the constants", func(*api.Status) bool { return s.node.jobs.Holds(spec.Constants.Tensors()) })
}

// TestUnreadableConstants: a site takes no part in a run whose constants a later program has written.
func TestUnreadableConstants(t *testing.T) {
	spec := &ledger.RunSpec{Rule: "fedavg", Late: ledger.Drop, Constants: ledger.Constants{Passed: block.Encode(map[string]any{"later": 1})}}
	if why := reduction.Knows(reduction.KnownNames).Unknown(&ledger.Run{Spec: spec}); !strings.Contains(why, "constants") {
		t.Errorf("it knows all: %q", why)
	}
	spec.Constants = ledger.NewConstants(ledger.Beside{Aliases: map[string]string{"a": "b"}})
	if _, since, err := reduction.KnownNames(spec); err != nil || since != 3 {
		t.Errorf("known since %d, %v", since, err)
	}
}

// TestWeightsAreWeights: an artifact that is held as constants is no base of a run.
func TestWeightsAreWeights(t *testing.T) {
	t.Parallel()
	path, _ := counted(t)
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	reply, err := s.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "counted", Rounds: 1}, Model: path})
	if err != nil {
		t.Fatal(err)
	}
	r := s.awaitRounds(reply.Run, 1)
	tensors := r.Spec.Constants.Tensors()
	m, err := s.node.store.Open(tensors)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	invalid, err := s.node.jobs.Obtain(t.Context(), runs.Fetch{Run: reply.Run, Manifest: tensors, Layout: m.Manifest.Layout})
	if err != nil || !strings.Contains(invalid, "BOOL") {
		t.Errorf("as a base it is %q, %v", invalid, err)
	}
}

package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// personal is the synthetic trainer, which adds one to the site's own coef in each task, and notes what it began with.
type personal struct {
	train.Synthetic

	mu    sync.Mutex
	began []float32
	wrong error
}

func (p *personal) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	res, err := p.Synthetic.Run(ctx, task, report)
	if err == nil {
		p.mu.Lock()
		p.wrong = errors.Join(p.wrong, p.grow(task))
		p.mu.Unlock()
	}
	return res, err
}

// grow does to the site's own tensor what a training would.
func (p *personal) grow(task train.Task) error {
	if !slices.Equal(task.Local, []string{"coef", "norm.num_batches_tracked"}) {
		return fmt.Errorf("local: %v", task.Local)
	}
	own := filepath.Join(task.StateDir, train.LocalFile)
	path := own
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		path = task.Constants
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := tensor.ReadHeader(f, info.Size())
	if err != nil {
		return err
	}
	at, ok := h.Tensor("coef")
	if !ok {
		return errors.New("no coef")
	}
	data := make([]byte, at.Bytes())
	if _, err := h.Data(f, at).Read(data); err != nil {
		return err
	}
	value := math.Float32frombits(binary.LittleEndian.Uint32(data))
	p.began = append(p.began, value)
	binary.LittleEndian.PutUint32(data, math.Float32bits(value+1))
	l := tensor.Layout{Tensors: []tensor.Tensor{at.Tensor}}
	junk := os.WriteFile(filepath.Join(task.StateDir, "optimizer"), data, 0o600)
	return errors.Join(junk, os.WriteFile(own, append(l.SafetensorsHeader(), data...), 0o600))
}

// TestLocal: what stays at the sites is in no update and no model, comes with its first values to every site, also one that comes
// late, and is the site's own from then on, over a restart and beyond the run's end.
func TestLocal(t *testing.T) {
	t.Parallel()
	path, _ := counted(t)
	sites := newTestMesh(t, 4, nil)
	trainers := map[string]*personal{}
	for _, s := range sites {
		trainers[s.name] = &personal{}
		s.trainer = trainers[s.name]
	}
	upAll(sites[:3])
	a, d := sites[0], sites[3]
	ask := func(rounds uint64, local ...string) api.RunRequest {
		return api.RunRequest{Spec: ledger.RunSpec{Name: "own", Rounds: rounds, MinSites: 3, Attempts: 1, Constants: ledger.NewConstants(ledger.Beside{Local: local})}, Model: path}
	}
	for want, local := range map[string]string{`local: tensors that stay at each site: "classifier.*"`: "classifier.*", `"*"] leave no weights`: "*", "embed.weight": "head*"} {
		if _, err := a.client.Start(t.Context(), ask(1, local)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", local, err, want)
		}
	}
	reply, err := a.client.Start(t.Context(), ask(6, "coef", "norm.*"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(reply.Note, "2 tensors stay at each site") {
		t.Errorf("the operator is told %q", reply.Note)
	}
	a.awaitRounds(reply.Run, 2)
	d.up(sites...)
	a.awaitRounds(reply.Run, 3)
	b := sites[1]
	b.down()
	b.up(sites...)
	for _, s := range sites {
		s.awaitRounds(reply.Run, 6)
	}
	r := a.awaitRounds(reply.Run, 6)
	for _, s := range sites {
		p := trainers[s.name]
		p.mu.Lock()
		if p.wrong != nil || len(p.began) == 0 {
			t.Errorf("%s: %d tasks, %v", s.name, len(p.began), p.wrong)
		}
		for i, value := range p.began {
			if want := p.began[0] + float32(i); value != want || p.began[0] != trainers["a"].began[0] {
				t.Errorf("%s began its tasks with %v", s.name, p.began)
				break
			}
		}
		p.mu.Unlock()
		s.await("the trainer's folder to be tidied", func(*api.Status) bool {
			left, _ := filepath.Glob(filepath.Join(s.dir, site.StateDir, reply.Run.String(), "*"))
			return len(left) == 1 && filepath.Base(left[0]) == train.LocalFile
		})
		s.awaitConstants(r.Spec)
		body, err := s.client.Model(t.Context(), reply.Run, r.History[5].Model)
		if err != nil {
			t.Fatal(err)
		}
		data, err := readAll(body)
		if err = errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		if all, aliases := tensorsOf(t, data); len(all) != 2 || all["embed.weight"] == nil || all["attn.bias"] == nil || len(aliases) != 1 {
			t.Errorf("%s writes %d tensors, aliases %v", s.name, len(all), aliases)
		}
	}
	if all, _ := tensorsOf(t, a.export(r.History[5].Model)); len(all) != 1 {
		t.Errorf("the committed model has %d tensors, want the common one", len(all))
	}

	// A run that goes on from it and leaves nothing at the sites has the first values as weights.
	next, err := a.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "whole", Rounds: 1, MinSites: 3}, From: &api.ModelOf{Run: reply.Run, Model: r.History[5].Model}})
	if err != nil {
		t.Fatal(err)
	}
	whole := a.awaitRounds(next.Run, 1)
	all, _ := tensorsOf(t, a.export(whole.Spec.Base))
	if len(all) != 2 || math.Float32frombits(binary.LittleEndian.Uint32(all["coef"])) != trainers["a"].began[0] {
		t.Errorf("it begins with %d tensors", len(all))
	}
}

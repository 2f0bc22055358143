package blockstoretest

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

func create(t testing.TB, s blockstore.Store, a Artifact, opt blockstore.WriteOptions) *blockstore.Writer {
	t.Helper()
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), opt)
	must(t, err)
	return w
}

func testWrite(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	w := create(t, s, a, blockstore.WriteOptions{})
	if missing := w.Missing(); !slices.Equal(missing, a.Manifest.Shards) {
		t.Fatalf("missing %v, want all", missing)
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(len(a.Shards))
	for n, i := range order {
		wantNone(t, s, a.Shards[i].CID)
		wantErr(t, w.Commit(), blockstore.ErrIncomplete)
		if _, err := s.Open(a.CID); !errors.Is(err, blockstore.ErrIncomplete) {
			t.Fatalf("open while partial: %v", err)
		}
		must(t, w.WriteShard(a.Shards[i]))
		must(t, w.WriteShard(a.Shards[i]))
		wantBlock(t, s, a.Shards[i]) // at once, to serve it
		if missing := w.Missing(); len(missing) != len(a.Shards)-n-1 || slices.Contains(missing, a.Shards[i].CID) {
			t.Fatalf("after %d shards %d are missing", n+1, len(missing))
		}
		if n == len(order)/2 {
			must(t, w.Sync())
		}
	}
	must(t, w.Commit())
	wantErr(t, w.Commit(), blockstore.ErrClosed)
	wantErr(t, w.WriteShard(a.Shards[0]), blockstore.ErrClosed)
	must(t, w.Close())
	must(t, w.Abort()) // does nothing
	wantArtifact(t, s, a)

	again := create(t, s, a, blockstore.WriteOptions{Finite: true})
	if missing := again.Missing(); len(missing) != 0 {
		t.Errorf("of a complete artifact are missing %v", missing)
	}
	must(t, again.WriteShard(a.Shards[0]))
	wantErr(t, again.WriteShard(block.New(block.Raw, []byte("other"))), blockstore.ErrForeign)
	must(t, again.Sync())
	must(t, again.Commit())
	aborted := create(t, s, a, blockstore.WriteOptions{})
	must(t, aborted.Abort())
	wantArtifact(t, s, a)
}

// What was verified is not hashed again: data that is written to afterwards, which is forbidden, is found out by who reads it.
func testWriteVerified(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 8, 1)
	w := create(t, s, a, blockstore.WriteOptions{Finite: true})
	for i, b := range a.Shards {
		v, err := b.Verify()
		must(t, err)
		must(t, w.WriteVerified(v))
		if i == 0 {
			wantBlock(t, s, b)
		}
	}
	must(t, w.Commit())
	wantArtifact(t, s, a)

	other := NewArtifact(Mixed, 8, 2)
	w = create(t, s, other, blockstore.WriteOptions{})
	changed := block.Block{CID: other.Shards[0].CID, Data: bytes.Clone(other.Shards[0].Data)}
	v, err := changed.Verify()
	must(t, err)
	changed.Data[0] ^= 1
	must(t, w.WriteVerified(v))
	if _, err := s.Get(changed.CID); err == nil {
		t.Error("a block of other bytes is read")
	}
	must(t, w.Abort())
	foreign, err := a.Shards[0].Verify()
	must(t, err)
	wantErr(t, create(t, s, NewArtifact(Mixed, 8, 3), blockstore.WriteOptions{}).WriteVerified(foreign), blockstore.ErrForeign)
}

func testWriteRefuses(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 8, 1)
	w := create(t, s, a, blockstore.WriteOptions{})
	wantErr(t, w.WriteShard(NewArtifact(Mixed, 8, 2).Shards[0]), blockstore.ErrForeign)
	wrong := bytes.Clone(a.Shards[0].Data)
	wrong[0] ^= 1
	wantErr(t, w.WriteShard(block.Block{CID: a.Shards[0].CID, Data: wrong}), block.ErrMismatch)
	wantNone(t, s, a.Shards[0].CID)
	_, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	wantErr(t, err, blockstore.ErrBusy)
	wantErr(t, s.DeleteArtifact(a.CID), blockstore.ErrBusy)
	must(t, w.Close())

	// A manifest that says a short shard is a long one can never be satisfied.
	lie := a.Manifest
	lie.Shards = slices.Clone(lie.Shards)
	lie.Shards[0] = lie.Shards[len(lie.Shards)-1]
	w, err = s.Create(lie.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	wantErr(t, errors.Join(err, func() error {
		if w == nil {
			return nil
		}
		return w.WriteShard(a.Shards[len(a.Shards)-1])
	}()), tensor.ErrInvalid)
	if w != nil {
		must(t, w.Abort())
	}
}

func testWriteRepeated(t *testing.T, s blockstore.Store) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "zero", DType: tensor.F32, Shape: []uint64{50}}}}
	a := Cut(l, 8, make([]byte, l.Bytes()))
	w := create(t, s, a, blockstore.WriteOptions{})
	if missing := w.Missing(); len(missing) != 2 {
		t.Fatalf("missing %d; seven shards are two different ones", len(missing))
	}
	for i := range 2 {
		must(t, w.WriteShard(a.Shards[len(a.Shards)-1-i]))
	}
	must(t, w.Commit())
	wantArtifact(t, s, a)
	must(t, s.DeleteArtifact(a.CID))
	wantNone(t, s, a.Shards[0].CID)
}

func testWriteConcurrent(t *testing.T, s blockstore.Store) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.BF16, Shape: []uint64{4000}}}}
	a := NewArtifact(l, 8, 3)
	w := create(t, s, a, blockstore.WriteOptions{Finite: true})
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range a.Shards {
				b := a.Shards[(i*(2*g+1)+g*97)%len(a.Shards)]
				if err := w.WriteShard(b); err != nil {
					t.Error(err)
				}
				if i%100 == 0 {
					if err := errors.Join(w.Sync(), holds(s, b)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	must(t, w.Commit())
	wantArtifact(t, s, a)
}

// poison returns the artifact with one element that is not finite.
func poison(a Artifact, name string, element uint64) Artifact {
	data := bytes.Clone(a.Data)
	offset := uint64(0)
	for _, t := range a.Layout.Tensors {
		if t.Name == name {
			at := data[offset+element*uint64(t.DType.Size()):]
			bits := map[tensor.DType][]byte{tensor.F32: {0, 0, 0x80, 0x7f}, tensor.F16: {0, 0xfc}, tensor.BF16: {0xc0, 0x7f}}[t.DType]
			copy(at, bits)
			if x := tensor.DecodeOne(at, t.DType); !math.IsInf(x, 0) && !math.IsNaN(x) {
				panic("not poison")
			}
		}
		offset += t.Bytes()
	}
	return Cut(a.Layout, a.Manifest.ShardElements, data)
}

// wantElement fails unless the error names the element.
func wantElement(t testing.TB, err error, name string, element uint64) {
	t.Helper()
	var e *tensor.ElementError
	if !errors.As(err, &e) || !errors.Is(err, tensor.ErrNotFinite) || e.Tensor != name || e.Element != element {
		t.Fatalf("error %v, want element %d of %q", err, element, name)
	}
}

func testWriteFinite(t *testing.T, s blockstore.Store) {
	for _, at := range []struct {
		tensor  string
		element uint64
	}{{"a.bias", 2}, {"a.weight", 0}, {"a.weight", 14}, {"b", 7}, {"scale", 0}} {
		a := poison(NewArtifact(Mixed, 4, 1), at.tensor, at.element)
		w := create(t, s, a, blockstore.WriteOptions{Finite: true})
		var refused error
		for _, b := range a.Shards {
			if err := w.WriteShard(b); err != nil {
				refused = err
				wantNone(t, s, b.CID)
			}
		}
		wantElement(t, refused, at.tensor, at.element)
		wantErr(t, w.Commit(), blockstore.ErrIncomplete)
		must(t, w.Close())

		// One that did not look may have left some; the next that does finds them.
		loose := create(t, s, a, blockstore.WriteOptions{})
		for _, b := range a.Shards {
			must(t, loose.WriteShard(b))
		}
		must(t, loose.Close())
		_, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: true})
		wantElement(t, err, at.tensor, at.element)
		loose = create(t, s, a, blockstore.WriteOptions{})
		must(t, loose.Commit())
		_, err = s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: true})
		wantElement(t, err, at.tensor, at.element)
		must(t, s.DeleteArtifact(a.CID))
	}
}

func testWriteResumes(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	for i := range a.Shards {
		w := create(t, s, a, blockstore.WriteOptions{Finite: i%2 == 0})
		if missing := w.Missing(); !slices.Equal(missing, a.Manifest.Shards[i:]) {
			t.Fatalf("turn %d: missing %d of %d", i, len(missing), len(a.Shards))
		}
		must(t, w.WriteShard(a.Shards[i]))
		must(t, w.Close())
		wantBlock(t, s, a.Shards[i])
	}
	must(t, create(t, s, a, blockstore.WriteOptions{}).Commit())
	wantArtifact(t, s, a)
}

func testWriteOvertaken(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	w := create(t, s, a, blockstore.WriteOptions{})
	must(t, w.WriteShard(a.Shards[0]))
	b, err := s.NewArtifact(CutOf(Mixed, 4))
	must(t, err)
	for i, shard := range a.Shards {
		_, err := b.WriteShard(i, shard.Data)
		must(t, err)
	}
	c, err := b.Commit()
	must(t, err)
	if c != a.CID {
		t.Fatalf("built %s, want %s", c, a.CID)
	}
	wantArtifact(t, s, a)
	must(t, w.WriteShard(a.Shards[1]))
	if missing := w.Missing(); len(missing) != 0 {
		t.Errorf("missing %v of a complete artifact", missing)
	}
	must(t, w.Sync())
	must(t, w.Commit())
	wantArtifact(t, s, a)
}

func testAbort(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	w := create(t, s, a, blockstore.WriteOptions{})
	must(t, w.WriteShard(a.Shards[0]))
	must(t, w.Sync())
	must(t, w.Abort())
	must(t, w.Abort())
	for _, c := range []block.CID{a.CID, a.Manifest.Layout, a.Shards[0].CID} {
		wantNone(t, s, c)
	}
	wantErr(t, w.WriteShard(a.Shards[1]), blockstore.ErrClosed)
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("stat %+v", st)
	}
	a.Store(t, s)
	wantArtifact(t, s, a)
}

func testCreate(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 8, 1)
	other := tensor.Layout{Tensors: Mixed.Tensors[:2]}
	garbage := block.Of(map[string]string{"layout": "garbage"})
	few, bytes, large := a.Manifest, a.Manifest, a.Manifest
	few.Shards = few.Shards[1:]
	bytes.Bytes++
	large.ShardElements = block.MaxSize
	for name, c := range map[string]struct {
		manifest, layout block.Block
		want             error
	}{
		"another layout":    {a.Manifest.Block(), other.Block(), tensor.ErrInvalid},
		"no manifest":       {garbage, a.Layout.Block(), block.ErrEncoding},
		"no layout":         {a.Manifest.Block(), garbage, block.ErrEncoding},
		"manifest mismatch": {block.Block{CID: a.CID, Data: other.Block().Data}, a.Layout.Block(), block.ErrMismatch},
		"layout mismatch":   {a.Manifest.Block(), block.Block{CID: a.Manifest.Layout, Data: garbage.Data}, block.ErrMismatch},
		"too few shards":    {few.Block(), a.Layout.Block(), tensor.ErrInvalid},
		"wrong size":        {bytes.Block(), a.Layout.Block(), tensor.ErrInvalid},
		"shards too large":  {large.Block(), a.Layout.Block(), tensor.ErrInvalid},
	} {
		if _, err := s.Create(c.manifest, c.layout, blockstore.WriteOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("refused, yet stat %+v", st)
	}
	_, err := s.Open(a.CID)
	wantErr(t, err, blockstore.ErrNotFound)
}

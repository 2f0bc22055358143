package blockstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/tensor"
)

// benchArtifact has 64 MiB of F32 in two tensors, so 64 default shards.
func benchArtifact() blockstoretest.Artifact {
	const rows = 8 << 10
	l := tensor.Layout{Tensors: []tensor.Tensor{
		{Name: "a", DType: tensor.F32, Shape: []uint64{rows, 1024}},
		{Name: "b", DType: tensor.F32, Shape: []uint64{rows, 1024}},
	}}
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, l.Bytes())
	for i := 0; i < len(data); i += 4 { // finite: below 2
		binary.LittleEndian.PutUint32(data[i:], random.Uint32()>>2)
	}
	return blockstoretest.Cut(l, 0, data)
}

func openBench(b *testing.B) *blockstore.Disk {
	b.Helper()
	s, err := blockstore.OpenDisk(b.TempDir(), blockstore.Options{})
	must(b, err)
	b.Cleanup(func() { must(b, s.Close()) })
	return s
}

func BenchmarkImport(b *testing.B) {
	a := benchArtifact()
	for name, c := range map[string]struct {
		order  []int
		finite bool
	}{"takeOver": {nil, false}, "takeOverFinite": {nil, true}, "copy": {[]int{1, 0}, true}} {
		b.Run(name, func(b *testing.B) {
			s := openBench(b)
			b.SetBytes(int64(len(a.Data)))
			for b.Loop() {
				b.StopTimer()
				path := a.File(b, c.order)
				must(b, s.DeleteArtifact(a.CID))
				syncFile(b, path)
				b.StartTimer()
				_, err := s.Import(context.Background(), path, blockstore.ImportOptions{Finite: c.finite})
				must(b, err)
			}
		})
	}
}

func syncFile(b *testing.B, path string) {
	f, err := os.Open(path)
	must(b, err)
	must(b, f.Sync())
	must(b, f.Close())
}

func BenchmarkWrite(b *testing.B) {
	a := benchArtifact()
	s := openBench(b)
	b.SetBytes(int64(len(a.Data)))
	for b.Loop() {
		b.StopTimer()
		must(b, s.DeleteArtifact(a.CID))
		b.StartTimer()
		w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: true})
		must(b, err)
		for _, shard := range a.Shards {
			must(b, w.WriteShard(shard))
		}
		must(b, w.Commit())
	}
}

func BenchmarkBuild(b *testing.B) {
	a := benchArtifact()
	s := openBench(b)
	b.SetBytes(int64(len(a.Data)))
	for b.Loop() {
		b.StopTimer()
		must(b, s.DeleteArtifact(a.CID))
		b.StartTimer()
		n, err := s.NewArtifact(blockstoretest.CutOf(a.Layout, 0))
		must(b, err)
		for i, shard := range a.Shards {
			_, err := n.WriteShard(i, shard.Data)
			must(b, err)
		}
		_, err = n.Commit()
		must(b, err)
	}
}

func BenchmarkRead(b *testing.B) {
	a := benchArtifact()
	s := openBench(b)
	a.Store(b, s)
	o, err := s.Open(a.CID)
	must(b, err)
	defer o.Close()
	var buf []byte
	for name, read := range map[string]func(i int) error{
		"ReadShard": func(i int) (err error) { buf, err = o.ReadShard(i, buf); return err },
		"Get":       func(i int) (err error) { _, err = s.Get(a.Shards[i].CID); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(a.Data)))
			for b.Loop() {
				for i := range a.Shards {
					must(b, read(i))
				}
			}
		})
	}
	b.Run("Export", func(b *testing.B) {
		b.SetBytes(int64(len(a.Data)))
		for b.Loop() {
			must(b, s.Export(a.CID, io.Discard))
		}
	})
	b.Run("Scrub", func(b *testing.B) {
		b.SetBytes(int64(len(a.Data)))
		for b.Loop() {
			must(b, s.Scrub(context.Background(), func(err error) { b.Error(err) }))
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, at := range []int{1, 16} {
		b.Run(fmt.Sprint("goroutines=", at), func(b *testing.B) {
			s := openBench(b)
			b.SetParallelism(at)
			b.RunParallel(func(p *testing.PB) {
				random := rand.New(rand.NewPCG(rand.Uint64(), 0))
				for p.Next() {
					if err := s.Put(block.Of(random.Uint64())); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkOpen opens a store of 100,000 ledger entries.
func BenchmarkOpen(b *testing.B) {
	const entries = 100_000
	dir := b.TempDir()
	s, err := blockstore.OpenQuick(dir, blockstore.Options{})
	must(b, err)
	must(b, s.Close())
	for i := range entries {
		e := block.Of(i)
		path := filepath.Join(dir, block0(e.CID))
		must(b, os.MkdirAll(filepath.Dir(path), 0o700))
		must(b, os.WriteFile(path, e.Data, 0o600))
	}
	for b.Loop() {
		s, err := blockstore.OpenQuick(dir, blockstore.Options{})
		must(b, err)
		if n := s.Stat().Blocks; n != entries {
			b.Fatal(n)
		}
		must(b, s.Close())
	}
}

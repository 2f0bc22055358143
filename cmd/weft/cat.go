package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// shownBytes of a raw block are printed.
const shownBytes = 256

// cat is `weft cat`.
type cat struct{ raw bool }

func newCat(e *env) *cobra.Command {
	c := &cat{}
	cmd := &cobra.Command{
		Use:   "cat CID",
		Short: "Print any stored object so that a person can read it",
		Long: `Print any stored object: the genesis, an entry, a certificate, a run, a manifest or a layout
as JSON, a shard as its size and first bytes (while the node runs). CID may be the end
of one, as tables show it, or a file that holds one block, such as mesh.weft. --raw
writes the block's bytes as they are stored.`,
		Example: `  weft cat bafyr4i...
  weft cat trwvfrza
  weft cat mesh.weft
  weft cat --raw bafkr4i... > shard`,
		Args: cobra.ExactArgs(1),
		RunE: e.runs(c.run),
	}
	cmd.Flags().BoolVar(&c.raw, "raw", false, "write the block's bytes as they are")
	e.jsonFlag(cmd)
	return cmd
}

func (c *cat) run(ctx context.Context, e *env, args []string) error {
	b, err := findBlock(ctx, e, args[0])
	if err != nil {
		return err
	}
	if c.raw {
		_, err := e.out.Write(b.Data)
		return err
	}
	o, err := describe(b)
	if err != nil {
		return err
	}
	if o.text != "" && !e.json {
		e.out.Printf("%s", o.text)
		return nil
	}
	return e.printJSON(o)
}

// findBlock reads a block from the node, or its directory, or from a file.
func findBlock(ctx context.Context, e *env, name string) (block.Block, error) {
	id, err := block.Parse(name)
	if err != nil && (!isCIDEnd(name) || exists(name)) {
		return blockFile(name)
	}
	src, opened := e.reader(ctx)
	if opened != nil {
		return block.Block{}, opened
	}
	if err != nil {
		if id, err = findCID(ctx, src, name); err != nil {
			return block.Block{}, err
		}
	}
	data, err := src.Block(ctx, id)
	if err != nil {
		if run, found := runBlock(ctx, src, id); found {
			return run, nil
		}
	}
	return block.Block{CID: id, Data: data}, err
}

// runBlock returns a run's description, which is no block of its own but stands in the entry that opened the run.
func runBlock(ctx context.Context, src reader, id block.CID) (b block.Block, found bool) {
	s, err := src.Status(ctx)
	if err != nil {
		return b, false
	}
	if r := findRun(s, id.String()); r != nil {
		b = block.Of(r.Spec)
	}
	return b, b.CID == id
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func blockFile(path string) (block.Block, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return block.Block{}, usage("%q is neither a CID nor a file", path)
	case err != nil:
		return block.Block{}, err
	case info.Size() == 0:
		return block.Block{}, fail(nil, "", "%s is empty", path)
	case info.Size() > block.MaxSize:
		return block.Block{}, fail(nil, "weft model export and weft verify read other files", "%s: %s is more than a block holds", path, term.Bytes(info.Size()))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return block.Block{}, err
	}
	return block.New(block.DagCBOR, data), nil
}

// object is a block as `weft cat` prints it.
type object struct {
	CID   block.CID `json:"cid"`
	Kind  string    `json:"kind"`
	Size  int       `json:"size"` // bytes
	Value any       `json:"value"`

	text string // what to print instead, where a person sees more in it
}

// describe reads a block as what it is.
func describe(b block.Block) (object, error) {
	o := object{CID: b.CID, Size: len(b.Data)}
	if b.CID.Codec() == block.Raw {
		o.Kind, o.Value = "shard", hex.EncodeToString(b.Data[:min(len(b.Data), shownBytes)])
		o.text = fmt.Sprintf("shard %s, %d bytes; the first %d:\n%s", b.CID, len(b.Data), min(len(b.Data), shownBytes), hex.Dump(b.Data[:min(len(b.Data), shownBytes)]))
		return o, nil
	}
	for _, k := range kinds {
		if v, err := k.decode(b.Data); err == nil {
			value, err := readable(v)
			o.Kind, o.Value = k.name, value
			return o, err
		}
	}
	var v any
	if err := block.Decode(b.Data, &v); err != nil {
		return o, fail(err, "--raw writes its bytes; weft verify reads CAR files", "block %s", b.CID)
	}
	o.Kind, o.Value = "unknown", fmt.Sprintf("%v", v)
	return o, nil
}

// kinds are the objects that weft stores. Strict decoding tells them apart: no two have
// the same fields.
var kinds = []struct {
	name   string
	decode func([]byte) (any, error)
}{
	{"entry", func(b []byte) (any, error) { return ledger.DecodeEntry(b) }},
	{"certificate", decodeAs[ledger.Certificate]},
	{"genesis", func(b []byte) (any, error) { return ledger.DecodeGenesis(b) }},
	{"manifest", func(b []byte) (any, error) { return blockstore.DecodeManifest(b) }},
	{"layout", func(b []byte) (any, error) { return tensor.DecodeLayout(b) }},
	{"run", decodeAs[ledger.RunSpec]},
	{"statement", decodeAs[ledger.Signed]},
}

func decodeAs[T any](b []byte) (any, error) {
	v := new(T)
	return v, block.Decode(b, v)
}

// readable returns v as JSON values, with the bodies of signed statements opened.
func readable(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return nil, err
	}
	openBodies(tree)
	return tree, nil
}

func openBodies(tree any) {
	switch t := tree.(type) {
	case []any:
		for _, v := range t {
			openBodies(v)
		}
	case map[string]any:
		kind, isKind := t["kind"].(string)
		text, isBody := t["body"].(string)
		if data, err := base64.StdEncoding.DecodeString(text); isKind && isBody && err == nil {
			s := ledger.Signed{Kind: ledger.Kind(kind), Body: data, Sig: []byte{0}} // Open checks the form, not the signature
			if body, err := s.Open(); err == nil {
				if v, err := readable(body); err == nil {
					t["body"] = v
				}
			}
		}
		for _, v := range t {
			openBodies(v)
		}
	}
}

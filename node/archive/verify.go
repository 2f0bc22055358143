package archive

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Verify checks a mesh's ledger from the genesis to the head, offline: every entry against the
// rules and its certificate against the roster. source is a site's directory, whose node may be
// running, or a CAR file of a ledger, "-" for standard input. An error is ErrChain if something does not verify.
func Verify(source string) (*Report, error) {
	if source == "-" {
		return VerifyCAR(os.Stdin)
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if info.IsDir() {
		a, err := Open(source)
		if err != nil {
			return nil, err
		}
		return a.Report(), nil
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer f.Close()
	r, err := VerifyCAR(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return r, nil
}

func appendCertified(l *ledger.Ledger, c *ledger.Certified) error {
	e, err := ledger.DecodeEntry(c.Entry)
	if err == nil {
		err = l.Append(e, &c.Certificate)
	}
	if err != nil {
		return unverified(l, err)
	}
	return nil
}

// unverified says where a ledger stops to verify. One that goes on in a way that this program does not know is not a bad one.
func unverified(l *ledger.Ledger, err error) error {
	if errors.Is(err, ledger.ErrNewer) {
		return fmt.Errorf("after height %d: %w", l.Height(), err)
	}
	return fmt.Errorf("%w: after height %d: %w", ErrChain, l.Height(), err)
}

// VerifyCAR verifies a CAR file of a ledger, as [Archive.WriteCAR] writes it, or earlier versions, with genesis and head as roots.
func VerifyCAR(r io.Reader) (*Report, error) {
	roots, blocks, err := ReadCAR(r)
	if err != nil {
		return nil, err
	}
	found := chain{entries: map[block.CID][]byte{}, certificates: map[block.CID]*ledger.Certificate{}}
	for b, err := range blocks {
		if err != nil {
			return nil, err
		}
		found.add(b)
	}
	genesis, head, err := found.ends(roots)
	if err != nil {
		return nil, err
	}
	g, err := ledger.DecodeGenesis(found.entries[genesis])
	if errors.Is(err, ledger.ErrNewer) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its root is no genesis, and no index that names one: %w", ErrChain, err)
	}
	l := ledger.NewLedger(g, ledger.VerifySignature)
	if head != genesis {
		if err := found.append(l, head); err != nil {
			return nil, err
		}
	}
	return newReport(g, l), nil
}

// chain is the blocks of a ledger as a CAR file has them, in any order.
type chain struct {
	entries      map[block.CID][]byte // all that are no certificates
	certificates map[block.CID]*ledger.Certificate
}

func (c *chain) add(b block.Block) {
	var cert ledger.Certificate
	if b.CID.Codec() == block.DagCBOR {
		if _, err := block.DecodeKnown(b.Data, &cert); err == nil {
			c.certificates[cert.Entry] = &cert
			return
		}
	}
	c.entries[b.CID] = b.Data
}

// append adds the entries from the genesis to head to the empty ledger.
func (c *chain) append(l *ledger.Ledger, head block.CID) error {
	var path []*ledger.Entry
	for at := head; at != l.Mesh(); {
		data, ok := c.entries[at]
		if !ok {
			return fmt.Errorf("%w: entry %s is missing", ErrChain, at)
		}
		e, err := ledger.DecodeEntry(data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrChain, err)
		}
		path = append(path, e)
		at = e.Parent // no cycle: a CID cannot be part of what it is the hash of
	}
	for _, e := range slices.Backward(path) {
		cert := c.certificates[e.CID()]
		if cert == nil {
			return fmt.Errorf("%w: height %d: its certificate is missing", ErrChain, e.Height)
		}
		if err := l.Append(e, cert); err != nil {
			return unverified(l, err)
		}
	}
	return nil
}

// ledgerBlocks yields a ledger as blocks: the genesis, and for each height entry and certificate.
func ledgerBlocks(g *ledger.Genesis, l *ledger.Ledger) iter.Seq2[block.Block, error] {
	return func(yield func(block.Block, error) bool) {
		if !yield(g.Block(), nil) {
			return
		}
		for h := uint64(1); h <= l.Height(); h++ {
			d := l.At(h)
			if !yield(d.Entry.Block(), nil) || !yield(block.Of(d.Certificate), nil) {
				return
			}
		}
	}
}

package archive

import (
	"fmt"
	"io"
	"iter"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// pageLinks is how many blocks a page of an index lists: 160 KiB, far below what IPFS takes for a block.
const pageLinks = 4096

// carIndex is the root of a ledger's CAR file. From entries links lead to models, updates and descriptions of runs, which the file
// does not have, so no entry can be pinned with all that it links to; and no link leads to a certificate. The index lists every block
// of the file instead, by links of codec raw, behind which nobody looks for more: IPFS keeps blocks by their hash alone, so that
// pinning the index keeps the ledger.
type carIndex struct {
	Genesis string      `cbor:"genesis"` // CIDs as text, as nothing is to follow them
	Head    string      `cbor:"head"`
	Pages   []block.CID `cbor:"pages"` // in the file's order
}

// carPage lists blocks of the file, as raw ones.
type carPage struct {
	Blocks []block.CID `cbor:"blocks"`
}

// indexed returns the index of a ledger's blocks, and its pages.
func indexed(l *ledger.Ledger, blocks iter.Seq2[block.Block, error]) (index block.Block, pages []block.Block, err error) {
	page := carPage{}
	turn := func() {
		pages = append(pages, block.Of(page))
		page.Blocks = nil
	}
	for b, err := range blocks {
		if err != nil {
			return index, nil, err
		}
		if page.Blocks = append(page.Blocks, block.FromDigest(block.Raw, b.CID.Digest())); len(page.Blocks) == pageLinks {
			turn()
		}
	}
	if len(page.Blocks) > 0 {
		turn()
	}
	root := carIndex{Genesis: l.Mesh().String(), Head: l.Head().String()}
	for _, p := range pages {
		root.Pages = append(root.Pages, p.CID)
	}
	return block.Of(root), pages, nil
}

// writeLedgerCAR writes a ledger below its index.
func writeLedgerCAR(w io.Writer, g *ledger.Genesis, l *ledger.Ledger) error {
	blocks := ledgerBlocks(g, l)
	index, pages, err := indexed(l, blocks)
	if err != nil {
		return err
	}
	return WriteCAR(w, []block.CID{index.CID}, func(yield func(block.Block, error) bool) {
		if !yield(index, nil) {
			return
		}
		for _, p := range pages {
			if !yield(p, nil) {
				return
			}
		}
		blocks(yield)
	})
}

// ends returns the genesis and the head of a file: its index names them, or, as in files of earlier versions, they are its roots.
func (c *chain) ends(roots []block.CID) (genesis, head block.CID, err error) {
	if len(roots) == 1 {
		var index carIndex
		if err := block.Decode(c.entries[roots[0]], &index); err != nil {
			return roots[0], roots[0], nil // a genesis, or nothing that Verify takes
		}
		if genesis, err = block.Parse(index.Genesis); err == nil {
			head, err = block.Parse(index.Head)
		}
		if err != nil {
			return genesis, head, fmt.Errorf("%w: its index: %w", ErrChain, err)
		}
		return genesis, head, nil
	}
	if len(roots) != 2 {
		return genesis, head, fmt.Errorf("%w: %d roots, want an index, or the genesis and the head", ErrChain, len(roots))
	}
	return roots[0], roots[1], nil
}

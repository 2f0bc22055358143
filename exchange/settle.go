package exchange

import "github.com/weft-mesh/weft/block"

// recheck brings e.missing up to date: e is open and every provider of its fetch refused it
// or is down. The last of them may end the fetch.
func (b *board) recheck(e *entry) {
	f := e.fetch
	missing := !e.done && e.want.open()
	for _, l := range f.lanes {
		if !missing {
			break
		}
		missing = l.by.down || e.refusedBy(l.by)
	}
	if missing == e.missing {
		return
	}
	e.missing = missing
	if missing {
		f.missing++
		b.settle(f)
	} else {
		f.missing--
	}
}

func (b *board) recheckAll(f *fetch) {
	for _, e := range f.entries {
		b.recheck(e)
	}
}

// settle ends f if nothing more can come.
func (b *board) settle(f *fetch) {
	if f.left == 0 {
		b.end(f, nil)
		return
	}
	if f.more || f.left != f.missing {
		return
	}
	u := &Unavailable{Missing: make([]block.CID, 0, f.missing)}
	for _, e := range f.entries {
		if e.missing {
			u.Missing = append(u.Missing, e.want.cid)
		}
	}
	b.end(f, u)
}

// end makes f's Fetch return err; the first end counts.
func (b *board) end(f *fetch, err error) {
	if f.ended {
		return
	}
	f.ended, f.err = true, err
	close(f.finished)
	f.work.Broadcast()
}

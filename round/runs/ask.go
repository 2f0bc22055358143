package runs

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// ask is a run that a site asks for, and what the sites have answered.
type ask struct {
	id        block.CID
	spec      *ledger.RunSpec
	statement *ledger.Signed             // of kind "open"
	consents  map[peer.ID]*ledger.Signed // the newest of each site
	weighed   bool                       // this site was asked, or has answered
	told      bool                       // this site tells the others the description
	wished    bool                       // this site's operator has asked for it since the start
}

func newAsk(s *ledger.Signed, spec *ledger.RunSpec) *ask {
	return &ask{id: s.ID(), spec: spec, statement: s, consents: map[peer.ID]*ledger.Signed{}}
}

// weigh notes that this site was asked what it makes of the run; it reports whether that is news.
func (k *ask) weigh() bool {
	isNew := !k.weighed
	k.weighed = true
	return isNew
}

// tell notes that this site tells the others the description; it reports whether that is news.
func (k *ask) tell() bool {
	isNew := !k.told
	k.told = true
	return isNew
}

// wish notes that this site's operator has just asked for the run: no list of before takes it back.
func (k *ask) wish() { k.wished = true }

// consent returns a site's newest answer, nil if it has given none or nobody asks for the run.
func (k *ask) consent(id peer.ID) *ledger.Consent {
	if k == nil {
		return nil
	}
	if s := k.consents[id]; s != nil {
		b, _ := ledger.BodyOf[ledger.Consent](s, ledger.KindConsent) // it was read when it came
		return b
	}
	return nil
}

// serial returns that of a site's newest answer, 0 if it has given none.
func (k *ask) serial(id peer.ID) uint64 {
	if c := k.consent(id); c != nil {
		return c.Serial
	}
	return 0
}

// answer takes a site's answer, unless it has given a newer one.
func (k *ask) answer(s *ledger.Signed, b *ledger.Consent) bool {
	if k.consents[s.From] != nil && k.serial(s.From) >= b.Serial {
		return false
	}
	k.consents[s.From] = s
	return true
}

// leave takes a site's answer back: its key is no site's any more.
func (k *ask) leave(id peer.ID) { delete(k.consents, id) }

// takers returns the consents with which the run can be opened, in the order of the roster. Those of sites that have changed their
// mind before are left out if there are enough others, or one that never stops changing it would void every entry.
func (k *ask) takers(r *ledger.Roster) (list []ledger.Signed) {
	steady := k.accepting(r, func(c *ledger.Consent) bool { return c.Serial == 1 })
	if len(steady) >= k.spec.Takers(r) {
		return steady
	}
	return k.accepting(r, func(*ledger.Consent) bool { return true })
}

func (k *ask) accepting(r *ledger.Roster, which func(*ledger.Consent) bool) (list []ledger.Signed) {
	for _, site := range r.Sites() {
		s, c := k.consents[site.ID], k.consent(site.ID)
		if c != nil && c.Accept && which(c) && s.Size() <= r.UpdateBytes() {
			list = append(list, *s)
		}
	}
	return list
}

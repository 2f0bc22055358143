package membership

import (
	"fmt"

	"github.com/weft-mesh/weft/ledger"
)

// kind is what membership does with a kind of statement. Each kind stands in a file of its own.
type kind struct {
	version func(b ledger.Body) uint64 // of the roster that the statement is for
	receive func(m *Members, s *ledger.Signed, b ledger.Body) error
	restore func(m *Members, s *ledger.Signed, b ledger.Body) error
	// own takes a statement of this site that a lost log has forgotten and another site shows it, so that its
	// operator's next word has a higher serial.
	own func(m *Members, s *ledger.Signed, b ledger.Body) error
}

var kinds = map[ledger.Kind]kind{}

// handle makes a kind of statement known to membership.
func handle(of ledger.Kind, k kind) struct{} {
	if _, twice := kinds[of]; twice {
		panic(fmt.Sprintf("kind %q is handled twice", of))
	}
	kinds[of] = k
	return struct{}{}
}

// Handles reports whether statements of a kind are about changes of the roster.
func Handles(of ledger.Kind) bool { _, ok := kinds[of]; return ok }

// Receive takes a site's statement, whose signature was checked. It returns early if it is for a
// roster that is not in force here yet.
func (m *Members) Receive(s *ledger.Signed) (early bool, err error) {
	b, err := s.Open()
	if err != nil {
		return false, err
	}
	k := kinds[s.Kind]
	if k.receive == nil {
		return false, nil
	}
	if k.version(b) > m.roster().Version() {
		return true, nil
	}
	return false, k.receive(m, s, b)
}

// Restore takes an own statement of the log.
func (m *Members) Restore(s *ledger.Signed) error {
	b, err := s.Open()
	if err != nil {
		return err
	}
	return kinds[s.Kind].restore(m, s, b)
}

// ReceiveOwn takes an own statement that another site shows; most were relayed and say nothing new.
func (m *Members) ReceiveOwn(s *ledger.Signed) error {
	k := kinds[s.Kind]
	if m.observes() || k.own == nil {
		return nil
	}
	b, err := s.Open()
	if err != nil {
		return err
	}
	return k.own(m, s, b)
}

package sim

import "github.com/weft-mesh/weft/round"

// checker holds the promises of the protocol.
type checker struct{ w *World }

func newChecker(w *World) *checker { return &checker{w} }

func (c *checker) event()                           {}
func (c *checker) saving(s *site, r []round.Record) {}
func (c *checker) gone(s *site)                     {}

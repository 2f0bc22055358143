package config

import (
	"errors"
	"testing"

	"github.com/weft-mesh/weft/ledger"
)

// A configuration is refused with its kind of error, or says what can be used; accept decides on any run, always the same.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"name: north\ntrainer: {synthetic: {}}\n",
		"name: n\ntrainer: {exec: [a], env: [B=c], timeout: 2h, grace: 1s, idle: 5m, max_processes: 2}\naccept: auto\n",
		"name: n\ntrainer: {synthetic: {}}\naccept: [{run: a-*, from: s?}, {run: '[ab]'}]\ntrain: {lr: 0.1, layers: [1, 2]}\n",
		"name: n\ntrainer: {synthetic: {}}\nlisten: [/ip4/127.0.0.1/tcp/0]\nbootstrap: []\nkeep_models: 3\nlog: {level: debug}\n",
	} {
		f.Add([]byte(text), "a-1", "s1")
	}
	f.Fuzz(func(t *testing.T, data []byte, run, opener string) {
		c, err := Parse("config.yaml", data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		spec := &ledger.RunSpec{Name: run}
		accept, known := c.Accept.Decide(spec, opener, false)
		if again, same := c.Accept.Decide(spec, opener, false); accept != again || known != same {
			t.Fatal("two answers on one run")
		}
		if c.Accept.Policy == AcceptAuto && !accept || c.Accept.Policy == AcceptAsk && known {
			t.Fatalf("%s answers %t, %t", c.Accept.Policy, accept, known)
		}
		_ = c.Accept.String()
		c.Overlay(map[string]string{run: opener})
	})
}

package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
)

// Result is what a demo came to. Losses are in nats per byte.
type Result struct {
	Mesh       block.CID     `json:"mesh"`
	Run        block.CID     `json:"run"`
	Base       block.CID     `json:"base"`  // what the run began with
	Model      block.CID     `json:"model"` // what every site ended with
	ModelBytes int64         `json:"model_bytes"`
	Output     string        `json:"output"` // the model's safetensors file
	Sites      []SiteResult  `json:"sites"`
	Federation time.Duration `json:"federation_ns"` // from the first process to the last commit
	Took       time.Duration `json:"took_ns"`       // with the comparison
}

// SiteResult is a site's part in it.
type SiteResult struct {
	Site     string    `json:"site"`
	Text     string    `json:"text"`     // its kind
	Model    block.CID `json:"model"`    // as read from this site
	Sent     int64     `json:"sent"`     // bytes of blocks
	Received int64     `json:"received"` //
	Memory   uint64    `json:"memory"`   // peak resident set of the node, bytes

	// Validation loss on the site's own held-out text ...
	Base      float64 `json:"loss_base"`
	Alone     float64 `json:"loss_alone"` // of the model that the site trained alone
	Federated float64 `json:"loss_federated"`
	// ... and the mean of those on the held-out texts of other kinds.
	BaseOthers      float64 `json:"loss_base_others"`
	AloneOthers     float64 `json:"loss_alone_others"`
	FederatedOthers float64 `json:"loss_federated_others"`
}

// Gain returns by how much the federated model's mean loss is below that of training alone, on the
// sites' own text and on the others'.
func (r *Result) Gain() (own, others float64) {
	for _, s := range r.Sites {
		own += s.Alone - s.Federated
		others += s.AloneOthers - s.FederatedOthers
	}
	n := float64(len(r.Sites))
	return own / n, others / n
}

// than says how far a loss is below another one.
func than(gain float64) string {
	if gain < 0 {
		return fmt.Sprintf("%.3f above", -gain)
	}
	return fmt.Sprintf("%.3f below", gain)
}

// Text is the result for people.
func (r *Result) Text(out *term.Out) string {
	var b strings.Builder
	b.WriteString("\nValidation loss, nats per byte (lower is better), of three models: the base,\n" +
		"the one that a site trained alone in as many steps, and the federated one\n\n")
	left := "                       on its own text"
	fmt.Fprintf(&b, "%s\n", out.Dim(fmt.Sprintf("%-52s%s", left, "on the other sites' text")))
	num := func(name string) term.Column { return term.Column{Name: name, Right: true} }
	t := term.NewTable(term.Column{Name: "site"}, term.Column{Name: "text"}, num("base"), num("alone"), num("federated"), num("base"), num("alone"), num("federated"))
	three := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	for _, s := range r.Sites {
		fed := three(s.FederatedOthers)
		if s.FederatedOthers < s.AloneOthers {
			fed = out.Good(fed)
		}
		t.Row(s.Site, s.Text, three(s.Base), three(s.Alone), three(s.Federated), three(s.BaseOthers), three(s.AloneOthers), fed)
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	own, others := r.Gain()
	fmt.Fprintf(&b, "\nOn the other sites' text the federated model is %s training alone,\non a site's own text %s it.\n", than(others), than(own))
	b.WriteString("\nThe model, as read from every site:\n\n")
	t = term.NewTable(term.Column{}, term.Column{})
	for _, s := range r.Sites {
		t.Row(s.Site, s.Model.String())
	}
	b.WriteString(t.Text(out.Columns(), nil) + "\n")
	t = term.NewTable(term.Column{Name: "site"}, num("bytes sent"), num("bytes received"), num("peak memory"))
	for _, s := range r.Sites {
		t.Row(s.Site, term.Bytes(s.Sent), term.Bytes(s.Received), term.Bytes(s.Memory))
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	fmt.Fprintf(&b, "\n%s  %s (safetensors)\n", out.Bold(r.Output), term.Bytes(r.ModelBytes))
	fmt.Fprintf(&b, "%s: %s of federation, %s of comparison\n", term.Duration(r.Took), term.Duration(r.Federation), term.Duration(r.Took-r.Federation))
	return b.String()
}

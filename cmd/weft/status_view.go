package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// indent is how far what follows a label is set in.
const indent = 8

// statusText draws a status; id restricts it to one run unless it is empty.
func statusText(out *term.Out, s *api.Status, id string) string {
	var b strings.Builder
	label := func(name string) string { return out.Dim(fmt.Sprintf("%-*s", indent, name)) }
	up := fmt.Sprintf("%d of %d sites up", s.Up, s.Sites)
	if s.Up < s.Quorum {
		up = out.Bad(up + fmt.Sprintf(", a quorum is %d", s.Quorum))
	}
	fmt.Fprintf(&b, "%s%s  %s\n", label("site"), out.Bold(s.Site), s.ID)
	fmt.Fprintf(&b, "%s%s  %s  faults: %s  %s\n", label("mesh"), s.MeshName, s.Mesh.Short(), s.Faults, up)
	fmt.Fprintf(&b, "%s%s\n", label(""), goesOnText(s.Sites-s.Quorum, s.Lying))
	fmt.Fprintf(&b, "%sheight %d  head %s\n", label("ledger"), s.Height, s.Head.Short())
	fmt.Fprintf(&b, "%ssent %s, received %s  memory %s  up %s\n", label("node"), term.Bytes(s.Sent), term.Bytes(s.Received),
		term.Bytes(s.Memory), term.Duration(s.Uptime.Truncate(time.Second)))
	fmt.Fprintf(&b, "%s%s free for models\n", label("disk"), term.Bytes(s.Room))
	for _, addr := range s.Addrs {
		if len(addr) > out.Columns()-indent { // whose peer ID stands above; weft id --address has it whole
			addr, _, _ = strings.Cut(addr, "/p2p/")
		}
		fmt.Fprintf(&b, "%s%s\n", label("address"), addr)
	}
	if s.Problem != "" {
		b.WriteString(label("problem") + hanging(out, s.Problem, out.Bad))
		if s.Hint != "" {
			b.WriteString(label("") + hanging(out, "hint: "+s.Hint, nil))
		}
	}
	for _, name := range s.Named {
		fmt.Fprintf(&b, "%s%s signed two statements for one place: it lies, or its key is used twice; its updates do not count\n", label("named"), out.Bad(name))
	}
	if len(s.Named) > 0 {
		b.WriteString(label("") + hanging(out, fmt.Sprintf("hint: weft ledger faults shows the proof, and until when it counts; if the site is honest, give it a new key: weft roster replace %s=PEERID", s.Named[0]), nil))
	}
	b.WriteString(asksText(out, s))
	b.WriteString(runsText(out, s, id))
	return b.String()
}

// asksText says what waits for the site's operator.
func asksText(out *term.Out, s *api.Status) string {
	var b strings.Builder
	label := out.Dim(fmt.Sprintf("%-*s", indent, "asks"))
	b.WriteString(askedText(out, s) + asksRunsText(out, s))
	for i := range s.Changes {
		if c := &s.Changes[i]; !c.Own && !s.Observes {
			b.WriteString(label + hanging(out, fmt.Sprintf("for the roster, to %s: look with `weft roster list`, agree with `weft roster approve %s`", c.Text, c.ID.Short()), nil))
		}
	}
	for _, text := range rivals(s.Changes) {
		b.WriteString(label + hanging(out, text, out.Bad))
	}
	if len(s.Changes) > 0 && len(s.Changes) < s.Asked {
		fmt.Fprintf(&b, "%s%s of the roster in all: weft roster list\n", strings.Repeat(" ", indent), term.Plural(s.Asked, "change"))
	}
	return b.String()
}

// asksRunsText says which runs wait for the site's operator.
func asksRunsText(out *term.Out, s *api.Status) string {
	text := ""
	for _, p := range s.Pending {
		text += out.Dim(fmt.Sprintf("%-*s", indent, "asks")) + fmt.Sprintf("%s, %s%s: take part with `weft run accept %s`\n", out.Bold(p.Spec.Name), term.Plural(p.Spec.Rounds, "round"), prefixed(", ", strings.Join(termsTexts(p.Spec), ", ")), p.Run.Short())
		if p.Held != "" {
			text += strings.Repeat(" ", indent) + hanging(out, p.Held, nil)
		}
	}
	return text
}

// rivals warns of sites that are asked for with more than one key, and of keys under more than one name: one is likely mistyped.
func rivals(changes []api.RosterChange) (warnings []string) {
	keys, names := map[string][]string{}, map[string][]string{}
	for _, c := range changes {
		if s := c.Change.Add; s != nil {
			keys[s.Name] = append(keys[s.Name], s.ID.String())
			names[s.ID.String()] = append(names[s.ID.String()], s.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if n := len(keys[name]); n > 1 {
			warnings = append(warnings, fmt.Sprintf("%s is asked for with %d keys: ask its operator which it has (weft id), and compare with `weft roster list`", name, n))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		if n := names[key]; len(n) > 1 {
			warnings = append(warnings, fmt.Sprintf("the key %s is asked for as %s: ask whose it is", key, strings.Join(n, " and as ")))
		}
	}
	return warnings
}

// hanging wraps text that begins after a label.
func hanging(out *term.Out, text string, paint func(string) string) string {
	lines := term.Wrap(text, out.Columns()-indent)
	for i := range lines {
		if paint != nil {
			lines[i] = paint(lines[i])
		}
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}

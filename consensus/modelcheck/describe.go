package modelcheck

import (
	"fmt"
	"strings"
)

// name returns what people call a correct site: it is counted in the roster, from 1.
func (m *Model) name(site int) string { return fmt.Sprintf("site %d", m.positions[site]+1) }

// voters returns the names of those who have cast a vote that, with the liar's, makes a quorum.
func (r *reading) voters(vote func(State, int, int) Vote, view int, v Vote) string {
	var names []string
	for site := range correct {
		if vote(r.State, site, view) == v {
			names = append(names, fmt.Sprint(r.model.positions[site]+1))
		}
	}
	if len(names) < r.model.quorum() {
		names = append(names, "the liar")
	}
	return strings.Join(names, ", ")
}

// describe says what an action is and why it can be taken in this state.
func (r *reading) describe(a Action) string {
	text := fmt.Sprintf("site %d ", a.Site+1)
	switch a.Kind {
	case Propose:
		return text + fmt.Sprintf("proposes %s in view %d%s", a.Entry, a.View, r.proof(a))
	case Prevote:
		by := fmt.Sprintf("site %d", a.View+1)
		if a.View == r.model.cfg.Liar {
			by = "the liar"
		}
		return text + fmt.Sprintf("prevotes %s in view %d: %s proposes it%s", a.Entry, a.View, by, r.proof(a))
	case Abstain:
		return text + fmt.Sprintf("prevotes nil in view %d", a.View)
	case Precommit, Learn:
		verb := "precommits"
		if a.Kind == Learn {
			verb = "learns of the polka for"
		}
		return text + fmt.Sprintf("%s %s in view %d: prevotes of %s", verb, a.Entry, a.View, r.voters(State.prevoted, a.View, a.Entry))
	case Leave:
		return text + fmt.Sprintf("votes nil where it has not voted and leaves view %d", a.View)
	case Pass:
		return text + fmt.Sprintf("precommits nil in view %d", a.View)
	case Tear:
		return text + fmt.Sprintf("locks on %s in view %d, crashes before the precommit is logged, and restarts: prevotes of %s",
			a.Entry, a.View, r.voters(State.prevoted, a.View, a.Entry))
	default:
		return text + "crashes and restarts from its log"
	}
}

// proof tells of the polka that a proposal brings.
func (r *reading) proof(a Action) string {
	if a.ValidView < 0 {
		return ""
	}
	return fmt.Sprintf(", with the prevotes of view %d by %s", a.ValidView, r.voters(State.prevoted, a.ValidView, a.Entry))
}

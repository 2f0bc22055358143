package try

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/node/api"
)

// Kill ends a site's node by kill -9 while it trains in a round. It is started again when the others have ended that round.
type Kill struct {
	Site  int // from 1
	Round uint64
}

// ParseKill reads what --kill says, such as 2@3: site 2, in round 3.
func ParseKill(text string) (k Kill, err error) {
	site, round, ok := strings.Cut(text, "@")
	if ok {
		k.Site, err = strconv.Atoi(site)
	}
	if ok && err == nil {
		k.Round, err = strconv.ParseUint(round, 10, 64)
	}
	if !ok || err != nil {
		return k, fmt.Errorf("kill %q: want SITE@ROUND, such as 2@3", text)
	}
	return k, nil
}

func (k Kill) validate(sites int, rounds uint64) error {
	switch {
	case k.Site < 1 || k.Site > sites:
		return fmt.Errorf("kill %d@%d: there are %d sites", k.Site, k.Round, sites)
	case k.Round < 1 || k.Round >= rounds:
		return fmt.Errorf("kill %d@%d: want a round from 1 to %d, so that the site comes back in another", k.Site, k.Round, max(1, rounds-1))
	case sites < 3:
		return fmt.Errorf("kill %d@%d: with %d sites the run cannot go on without one; want 3 or more", k.Site, k.Round, sites)
	}
	return nil
}

// kills are those that are still to come, and the sites that are down.
type kills struct {
	todo []Kill
	down map[int]uint64 // site, from 0 -> the round in which it was killed
}

func newKills(list []Kill) *kills { return &kills{list, map[int]uint64{}} }

// missed says which kill never had its moment.
func (k *kills) missed(sites []Site) error {
	for _, next := range k.todo {
		return fmt.Errorf("%s was not killed: its training in round %d was over before it was seen", sites[next.Site-1].Name, next.Round)
	}
	return nil
}

// isDown reports whether a site is down.
func (k *kills) isDown(site int) bool { _, down := k.down[site]; return down }

// due takes out the kill whose moment a site's status is, if it is one.
func (k *kills) due(site int, r *api.RunStatus) bool {
	for i, next := range k.todo {
		if next.Site == site+1 && r != nil && r.Trains == next.Round {
			k.todo = append(k.todo[:i:i], k.todo[i+1:]...)
			k.down[site] = next.Round
			return true
		}
	}
	return false
}

// back takes out the sites that are to be started again, as so many rounds are committed.
func (k *kills) back(committed int) (sites []int) {
	for site, round := range k.down {
		if uint64(committed) >= round {
			sites = append(sites, site)
			delete(k.down, site)
		}
	}
	return sites
}

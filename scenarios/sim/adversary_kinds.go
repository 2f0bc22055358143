package sim

// AdversaryKind is a kind of adversary, as scenario files name it.
type AdversaryKind struct {
	Name string
	Does string // in one line
	new  func() Adversary
}

// AdversaryKinds are all there are.
var AdversaryKinds = []AdversaryKind{
	{"silent", "takes part in nothing: it hears, and says nothing", func() Adversary { return &Silent{} }},
	{"falls-silent", "goes silent in the middle of round 2, when it should vote on the updates", func() Adversary { return &Silent{From: 2} }},
	{"selective", "talks with half of the others only, and serves only those", func() Adversary { return &Selective{} }},
	{"equivocator", "proposes two valid entries to two halves of the mesh, and votes with each half", func() Adversary { return &Equivocator{} }},
	{"double-voter", "votes twice in one place, for an entry, another or nil, to different sites", func() Adversary { return &DoubleVoter{} }},
	{"double-dealer", "offers two updates in one place, each to one half of the mesh", func() Adversary { return &DoubleDealer{} }},
	{"colluder", "shares its lies with all other colluders: they back each other's two proposals", func() Adversary { return &Colluder{} }},
	{"splitter", "lets one site alone decide, and helps all the others to decide something else", func() Adversary { return &Splitter{} }},
	{"withholder", "announces its updates and serves nothing to anybody", func() Adversary { return &Withholder{} }},
	{"miser", "announces its updates and serves them to one other site only", func() Adversary { return &Withholder{Serves: 1} }},
	{"wrong-blocks", "serves blocks that do not match their CIDs", func() Adversary { return &WrongBlocks{} }},
	{"wrong-commit", "proposes to commit a model that the sealed updates do not give, and votes for it", func() Adversary { return &WrongCommit{} }},
	{"broken", "means well, but computes wrong models", func() Adversary { return &Broken{} }},
	{"omitter", "leaves one site's update out of every seal that it proposes", func() Adversary { return &Omitter{} }},
	{"accuser", "says that it cannot get one site's update, and seals again without it", func() Adversary { return &Accuser{} }},
	{"gatecrasher", "wants another roster: changes that no quorum approves of, and its votes when it is removed", func() Adversary { return &Gatecrasher{} }},
	{"replayer", "says again what it has heard: old heights, old views, old runs, as if it were new", func() Adversary { return &Replayer{} }},
	{"spammer", "floods the mesh with candidates, far votes, early messages, junk runs, false heads and empty evidence", func() Adversary { return &Spammer{} }},
	{"framer", "has honest sites pass on what every machine refuses, so that they ban each other", func() Adversary { return &Framer{} }},
	{"pretender", "is ready and votes for whatever it hears of, before it holds it", func() Adversary { return &Pretender{} }},
	{"forger", "forges other sites' statements, certificates and evidence", func() Adversary { return &Forger{} }},
	{"rusher", "votes nil in views that have not come, to drag the others on", func() Adversary { return &Rusher{} }},
	{"forgetful", "restarts without its newest votes, does not say so, and votes again", func() Adversary { return &Forgetful{} }},
	{"silencer", "claims to hold votes of every site that restarts, and makes some up, then says nothing to it", func() Adversary { return &Silencer{} }},
	{"sign-flip", "turns its updates around: they undo what training did", func() Adversary { return &Poisoned{How: SignFlip} }},
	{"times-100", "makes its updates a hundred times as large", func() Adversary { return &Poisoned{How: Times100} }},
	{"nan", "puts NaN into its updates", func() Adversary { return &Poisoned{How: NaN} }},
	{"stale", "announces copies as its updates: an old one, another site's, the base itself", func() Adversary { return &Stale{} }},
	{"futurist", "speaks as a later version might: fields and kinds that nobody knows, in all that it says", func() Adversary { return &Futurist{} }},
	{"asker", "asks for runs without end and takes them back, and would open them without consents", func() Adversary { return &Asker{} }},
	{"baseless", "asks for runs that start from models which nobody has", func() Adversary { return &Asker{Baseless: true} }},
	{"metric-liar", "trains honestly, and states figures of models that nobody can have measured", func() Adversary { return &MetricLiar{} }},
	{"max-float", "puts the largest finite number into its updates", func() Adversary { return &Poisoned{How: MaxFloat} }},
	{"complainer", "trains honestly, and says that all goes wrong at it, then that nothing does", func() Adversary { return &Complainer{} }},
	{"one-step", "trains honestly, and states a single step", func() Adversary { return OneStep{} }},
	{"boaster", "trains honestly, and states 2^40 samples", func() Adversary { return Boaster{} }},
}

// AdversaryNames returns the names of all kinds.
func AdversaryNames() []string {
	var names []string
	for _, k := range AdversaryKinds {
		names = append(names, k.Name)
	}
	return names
}

// NewAdversary returns an adversary of the named kind that has done nothing yet, or nil if there is none.
func NewAdversary(name string) Adversary {
	for _, k := range AdversaryKinds {
		if k.Name == name {
			return k.new()
		}
	}
	return nil
}

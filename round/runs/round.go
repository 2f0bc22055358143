package runs

// Phase is where the open round of a run stands at this site.
type Phase uint8

const (
	Open     Phase = iota // updates come in
	Enough                // so many are in that a seal may be formed
	Sealed                // a seal is decided
	Reducing              // the model of the latest seal is being computed
	Computed              // it has been computed
	Spoilt                // an input of the latest seal cannot be aggregated
)

func (p Phase) String() string {
	return [...]string{"open", "enough", "sealed", "reducing", "computed", "spoilt"}[p]
}

// PhaseEvent moves a [Phase].
type PhaseEvent uint8

const (
	Suffice   PhaseEvent = iota // enough updates are in
	Lack                        // they are no longer enough
	Seal                        // a seal is decided, the first or another
	Reduction                   // a reduction begins
	Compute                     // it has ended with a model
	Blame                       // it has ended with an input that cannot be aggregated
	Begin                       // the next round begins, or the same anew
)

func (e PhaseEvent) String() string {
	return [...]string{"suffice", "lack", "seal", "reduce", "compute", "blame", "begin"}[e]
}

// PhaseTable says how a round moves. docs/architecture.md shows it.
var PhaseTable = map[Phase]map[PhaseEvent]Phase{
	Open:     {Suffice: Enough, Lack: Open, Seal: Sealed, Begin: Open},
	Enough:   {Suffice: Enough, Lack: Open, Seal: Sealed, Begin: Open},
	Sealed:   {Suffice: Sealed, Lack: Sealed, Seal: Sealed, Reduction: Reducing, Begin: Open},
	Reducing: {Suffice: Reducing, Lack: Reducing, Seal: Sealed, Compute: Computed, Blame: Spoilt, Begin: Open},
	Computed: {Suffice: Computed, Lack: Computed, Seal: Sealed, Begin: Open},
	Spoilt:   {Suffice: Spoilt, Lack: Spoilt, Seal: Sealed, Begin: Open},
}

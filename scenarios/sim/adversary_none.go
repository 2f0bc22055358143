package sim

func AdversaryNames() []string           { return nil }
func NewAdversary(name string) Adversary { return nil }

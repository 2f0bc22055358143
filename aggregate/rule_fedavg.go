package aggregate

var _ = RegisterRule("fedavg", `the mean of the sites' models, weighted by samples

change = sum of (w_i/W) x_i. With outer none the model is the mean of the sites'
parameters themselves, sum of w_i u_i, divided by W: nothing is subtracted.
McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized
Data" (arXiv 1602.05629, algorithm 1).`,
	nil, func(Values) (Rule, error) { return fedAvg{}, nil })

type fedAvg struct{ Sum }

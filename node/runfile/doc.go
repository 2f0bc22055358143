// Package runfile reads run files: a run described in YAML, as `weft run start` takes it.
//
//	name: discharge-letters        # required
//	rounds: 5                      # required
//	model:                         # required, one of:
//	  init: trainer                #   the opener's own trainer makes it: the script, or the embedded one from train:
//	  file: adapter.safetensors    #   a safetensors file, relative to the run file
//	train:                         # hyperparameters, handed to every site's trainer as they stand
//	  steps: 100
//	  lr: 0.001
//	min_sites: 2                   # fewest updates in a round; default: a quorum
//	weights: samples               # what a site's update counts: samples, or equal
//	sample_cap: 100000             # a site counts as at most so many samples; default: no cap
//	share: open                    # a site may have more than half of a round's weight; default: none has
//	max_change: 1000               # norm of an update's change from which it is refused; default: by its base
//	round_time: 30m                # a site that is not done by then offers what it has; default: every site does all
//	attempts: 1                    # 1: a site waits for too few others without training on; default 1, at most 4
//	late:                          # what becomes of an update that misses its round
//	  policy: average              #   average: it counts in a later round, with less weight; drop; default average
//	  weight: 1/2                  #   average: weight for each round it is late; default 1/2
//	  max: 2                       #   average: rounds late at most; default 2
//	keep_updates: false            # keep every site's updates, for weft verify --recompute
//	evaluate: true                 # the sites that can measure the common models: every one; {every: 5}: every fifth; default: as each site likes
//	best: val_loss:min             # the best model is kept: least val_loss, or accuracy:max; as an object also
//	                               #   {metric: val_loss, mode: min, by: median, min_delta: 0.001}; by mean (default) or median of the sites
//	stop_after: 3                  # so many models in a row that are no better end the run
//	rule: fedavg                   # how updates become one change: weft strategy list
//	outer: none                    # what makes the next model of that change
//	params: {}                     # of both, such as norm: 1.5 for clip: weft strategy show clip
//
// Anything else in the file is an error that names the line.
package runfile

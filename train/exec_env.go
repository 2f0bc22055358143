package train

import (
	"slices"
	"strings"
)

// rankVariables are those by which launchers tell a job's processes apart, torchrun's, mpirun's, srun's and Lightning's.
var rankVariables = []string{"RANK", "LOCAL_RANK", "NODE_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"}

// firstRank returns the node's environment for a trainer, which is the first process of its own job: a node that srun
// started as its third task would else make it the third. The value 0 stays, as libraries look for it.
func firstRank(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		return slices.Contains(rankVariables, name) && value != "0"
	})
}

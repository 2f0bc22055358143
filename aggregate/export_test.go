package aggregate

// FedAvgWorkers is FedAvg with a number of workers.
var FedAvgWorkers = fedAvg

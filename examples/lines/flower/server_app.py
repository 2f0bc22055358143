"""The server's part: ten rounds of FedAvg over three sites."""

import torch
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from torch import nn

app = ServerApp()


@app.main()
def main(grid, context):
    model = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 10))
    strategy = FedAvg(min_train_nodes=3, min_evaluate_nodes=3, min_available_nodes=3)
    result = strategy.start(grid=grid, initial_arrays=ArrayRecord(model.state_dict()), num_rounds=10)
    torch.save(result.arrays.to_torch_state_dict(), "model.pt")

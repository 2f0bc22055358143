"""A training script like any other: 10 epochs over made-up digits of a seven-segment display."""

import nvflare.client as flare
import torch
from model import Net
from torch import nn

torch.manual_seed(0)
SEGMENTS = [0b1110111, 0b0100100, 0b1011101, 0b1101101, 0b0101110, 0b1101011, 0b1111011, 0b0100101, 0b1111111, 0b1101111]
digits = torch.randint(10, (1000,))
lit = torch.tensor([[s >> i & 1 for i in range(7)] for s in SEGMENTS], dtype=torch.float32)
x = lit[digits] + 0.2 * torch.randn(1000, 7)
train = torch.utils.data.TensorDataset(x[:800], digits[:800])
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


def accuracy():
    return float((model(x[800:]).argmax(1) == digits[800:]).float().mean())


flare.init()
while flare.is_running():
    received = flare.receive()
    model.load_state_dict(received.params)
    before = accuracy()
    for inputs, targets in loader:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    steps = {"NUM_STEPS_CURRENT_ROUND": len(loader)}
    flare.send(flare.FLModel(params=model.state_dict(), metrics={"accuracy": before}, meta=steps))

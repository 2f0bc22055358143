"""A training script like any other: 10 epochs over made-up digits of a seven-segment display."""

import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch import nn

torch.manual_seed(0)
SEGMENTS = [0b1110111, 0b0100100, 0b1011101, 0b1101101, 0b0101110, 0b1101011, 0b1111011, 0b0100101, 0b1111111, 0b1101111]
digits = torch.randint(10, (1000,))
lit = torch.tensor([[s >> i & 1 for i in range(7)] for s in SEGMENTS], dtype=torch.float32)
x = lit[digits] + 0.2 * torch.randn(1000, 7)
train = torch.utils.data.TensorDataset(x[:800], digits[:800])
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


def accuracy():
    return float((model(x[800:]).argmax(1) == digits[800:]).float().mean())


app = ClientApp()


@app.train()
def train_round(msg, context):
    model.load_state_dict(msg.content["arrays"].to_torch_state_dict())
    for inputs, targets in loader:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    metrics = MetricRecord({"num-examples": len(train)})
    content = RecordDict({"arrays": ArrayRecord(model.state_dict()), "metrics": metrics})
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg, context):
    model.load_state_dict(msg.content["arrays"].to_torch_state_dict())
    metrics = MetricRecord({"accuracy": accuracy(), "num-examples": 200})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=msg)

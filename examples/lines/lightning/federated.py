"""A training script like any other: two epochs over made-up digits of a seven-segment display."""

import lightning
import torch
from torch import nn

import weft.lightning

torch.manual_seed(0)
SEGMENTS = [0b1110111, 0b0100100, 0b1011101, 0b1101101, 0b0101110, 0b1101011, 0b1111011, 0b0100101, 0b1111111, 0b1101111]
digits = torch.randint(10, (1000,))
lit = torch.tensor([[s >> i & 1 for i in range(7)] for s in SEGMENTS], dtype=torch.float32)
rows = torch.utils.data.TensorDataset(lit[digits] + 0.2 * torch.randn(1000, 7), digits)
train = torch.utils.data.DataLoader(torch.utils.data.Subset(rows, range(800)), batch_size=32, shuffle=True)
test = torch.utils.data.DataLoader(torch.utils.data.Subset(rows, range(800, 1000)), batch_size=200)


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 10))

    def training_step(self, batch, i):
        return nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, i):
        self.log("val_accuracy", (self.layers(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


model = Digits()
trainer = lightning.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False)
weft.lightning.patch(trainer)
trainer.fit(model, train, test)
print(f"accuracy {trainer.callback_metrics['val_accuracy']:.3f}")

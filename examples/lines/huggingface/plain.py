"""A training script like any other: two epochs of a small BERT over made-up texts, whose first word says what they are."""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
texts = torch.randint(1, 32, (1000, 8))
rows = [{"input_ids": text, "labels": int(text[0] < 16)} for text in texts]

sizes = {"vocab_size": 32, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
model = BertForSequenceClassification(BertConfig(**sizes))
arguments = TrainingArguments("out", num_train_epochs=2, learning_rate=1e-3, save_strategy="no", report_to="none")


def accuracy(found):
    return {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())}


trainer = Trainer(model, arguments, train_dataset=rows[:800], eval_dataset=rows[800:], compute_metrics=accuracy)
trainer.train()
print(f"accuracy {trainer.evaluate()['eval_accuracy']:.3f}")

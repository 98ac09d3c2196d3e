"""The entries that sections know, each with one sentence: for the manual, completion and "did you mean"."""

from __future__ import annotations

TRAIN_KEYS = {
    "loss": "What training makes small: `cross_entropy`, `mse + 0.1 * mae`, or `{ face = cross_entropy, box = mse }`.",
    "optimizer": "How a gradient changes the weights: `adam(lr=1e-3)`.",
    "schedule": "The learning rate over the training: `warmup(5) -> cosine`; constant without it.",
    "augment": "What is done at random to each picture: `shift(2) -> rotate(10)`.",
    "epochs": "How often the training goes through all samples.",
    "batch": "How many samples make one step.",
    "clip": "The largest norm that all gradients together may have before a step; a larger one is scaled down to it.",
    "validation": "The share of the samples that is kept from training, to measure on.",
    "patience": "How many epochs the loss on the validation samples may fail to fall before training stops.",
    "freeze": 'Weights that do not change: a path or pattern such as `"layer1.*"`, or a list of them.',
    "init": "How weights begin: `he_normal`; as in PyTorch without it.",
    "seed": "The integer that every random choice follows from; 0 without it.",
}

PREDICT_KEYS = {
    "tta": "Several views of each picture, and how their results become one: `mean { | in | hflip }`.",
}

META_KEYS = {
    "source": "Where the net was published.",
    "licence": "Under which terms the weights may be used.",
    "citation": "How to cite it.",
}

# What others call them, for messages only.
FOREIGN_TRAIN_KEYS = {
    "criterion": "loss", "objective": "loss", "losses": "loss", "loss_fn": "loss",
    "optimiser": "optimizer", "optim": "optimizer", "solver": "optimizer", "opt": "optimizer",
    "scheduler": "schedule", "lr_scheduler": "schedule", "lr_schedule": "schedule", "lr_policy": "schedule",
    "augmentation": "augment", "augmentations": "augment", "data_augmentation": "augment", "transform": "augment",
    "transforms": "augment", "aug": "augment",
    "num_epochs": "epochs", "n_epochs": "epochs", "max_epochs": "epochs", "nb_epoch": "epochs",
    "batch_size": "batch", "batchsize": "batch", "bs": "batch", "minibatch": "batch",
    "clip_norm": "clip", "clipnorm": "clip", "grad_clip": "clip", "max_norm": "clip", "max_grad_norm": "clip",
    "gradient_clip": "clip", "clip_gradients": "clip", "gradient_clip_val": "clip",
    "validation_split": "validation", "val_split": "validation", "val": "validation", "valid": "validation",
    "early_stopping": "patience", "early_stop": "patience",
    "frozen": "freeze", "freeze_layers": "freeze",
    "initializer": "init", "initialiser": "init", "kernel_initializer": "init", "weight_init": "init",
    "initialization": "init",
    "random_seed": "seed", "random_state": "seed", "rng": "seed", "manual_seed": "seed",
}  # fmt: skip

FOREIGN_PREDICT_KEYS = {"test_time_augmentation": "tta", "augment": "tta", "views": "tta"}

FOREIGN_META_KEYS = {
    "license": "licence", "licenses": "licence", "lisence": "licence", "lisense": "licence", "licens": "licence",
    "cite": "citation", "bibtex": "citation",
}  # fmt: skip

# What belongs to the optimizer.
OPTIMIZER_KEYS = {
    "lr": "lr", "learning_rate": "lr", "base_lr": "lr", "momentum": "momentum", "weight_decay": "weight_decay",
    "nesterov": "nesterov",
}  # fmt: skip

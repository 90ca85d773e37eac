"""Values that other settings stand for: the guide's rates, decays and betas of each optimizer, the blocks of SDXL."""

from engine.config import TrainConfig

# The guide, "Adaptive Optimizers" and "AdamW vs Prodigy Optimizer". It tells none for adafactor, which gets AdamW's.
LEARNING_RATE = {"prodigy": 1.0, "adamw": 1e-4, "adafactor": 1e-4}
NEW_TOKENS_LR = {"adamw": 3e-4, "adafactor": 3e-4}
TEXT_ENCODER_LR = {"adamw": 5e-5, "adafactor": 5e-5}
ADAM_BETA2 = {"prodigy": 0.99, "adamw": 0.999}
WEIGHT_DECAY = {"prodigy": 0.01, "adamw": 1e-4, "adafactor": 1e-4}

# The parts of SDXL's UNet that a LoRA can train.
ATTENTION_BLOCKS = (
    *(f"down_blocks.{block}.attentions.{layer}" for block in (1, 2) for layer in range(2)),
    "mid_block.attentions.0",
    *(f"up_blocks.{block}.attentions.{layer}" for block in (0, 1) for layer in range(3)),
)
# B-LoRA (Frenkel et al., 2024, arXiv:2403.14572): of SDXL's transformers the first holds content, the second style.
BLORA_BLOCKS = ("up_blocks.0.attentions.0", "up_blocks.0.attentions.1")


def trains_text(config: TrainConfig) -> bool:
    """Whether new tokens or text encoders train at all."""
    return config.text_encoder.train_text_encoder_ti or config.text_encoder.train_text_encoder


def learning_rates(config: TrainConfig) -> tuple[float, float]:
    """The rates of the UNet and of the text side, unset ones filled in.

    Prodigy takes one rate for all parameters, so with it the text side's unset rate is the UNet's.
    """
    optimizer, text_encoder = config.optimizer.optimizer, config.text_encoder
    rate = config.optimizer.learning_rate or LEARNING_RATE[optimizer]
    if text_encoder.text_encoder_lr == "unet" or (text_encoder.text_encoder_lr is None and optimizer == "prodigy"):
        return rate, rate
    if text_encoder.text_encoder_lr is not None:
        return rate, text_encoder.text_encoder_lr
    return rate, (TEXT_ENCODER_LR if text_encoder.train_text_encoder else NEW_TOKENS_LR)[optimizer]

"""The sections of lora.toml: every setting, its type, its default and what it means.

Keys carry the names of the guide's own flags, so that `--key value` and `key = value` are one vocabulary.
"""

from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

if TYPE_CHECKING:
    from curation.selection import Selection

Kind = Literal["person", "object", "style", "character"]
Severity = Literal["error", "warning", "info"]


class Section(BaseModel):
    """A typed table of lora.toml: unknown keys and mistyped values are errors; "none" unsets what may be unset."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: None if cls.takes_none(key) and value == "none" else value for key, value in values.items()}

    @classmethod
    def takes_none(cls, key: str) -> bool:
        """Whether `key` may be unset (TOML has no null, so it is written "none")."""
        field = cls.model_fields.get(key)
        return field is not None and NoneType in get_args(field.annotation)


class DataSection(Section):
    instance_data_dir: str | None = Field(default=None, description="Folder of photos to learn from.")
    dataset_name: str | None = Field(
        default=None, description="The same, under the guide's other name: also a dataset of the hub (user/name)."
    )
    caption_column: str = Field(
        default="prompt", description="Column of metadata.jsonl or metadata.csv that holds the captions."
    )
    repeats: int = Field(
        default=1, ge=1, description="How often each photo stands in an epoch; repeated first, then shuffled."
    )
    resolution: int = Field(
        default=1024, ge=64, multiple_of=8, description="Side of the square training crop, in pixels."
    )
    aspect_ratio_buckets: bool = Field(
        default=False, description="Crop each photo to the nearest of several shapes of the square's area instead."
    )
    center_crop: bool = Field(default=False, description="Crop at the centre instead of at a random place.")
    random_flip: bool = Field(
        default=False, description="Mirror half of the samples; leave off for faces and lettering."
    )
    cache_latents: bool = Field(
        default=True, description="Encode photos once, to disk; off: crops are drawn anew each epoch, and it is slower."
    )
    crop_variants: int = Field(
        default=4, ge=1, description="Crops of each photo that are cached, where they are drawn at random."
    )
    caption_dropout_rate: float = Field(
        default=0.0, ge=0, le=1, description="Share of the samples that are trained on an empty caption."
    )
    shuffle_caption: bool = Field(default=False, description="Shuffle the comma-separated tags of a caption each time.")
    keep_tokens: int = Field(default=1, ge=0, description="First tags that shuffle_caption leaves in their places.")
    mask_dir: str | None = Field(
        default=None, description="Folder of masks named as the photos; without one, a photo's alpha is its mask."
    )


class ConceptSection(Section):
    kind: Kind = Field(default="object", description="What is learned; chooses the preset.")
    instance_prompt: str | None = Field(
        default=None, description="Caption of photos that have none, e.g. 'a photo of TOK'."
    )
    token_abstraction: list[Annotated[str, Field(pattern=r"\S")]] = Field(
        default=["TOK"],
        min_length=1,
        description="Trigger words; each is replaced by new tokens in captions and prompts.",
    )


class ModelSection(Section):
    pretrained_model_name_or_path: str = Field(
        default="stabilityai/stable-diffusion-xl-base-1.0",
        description="Base model: hub id, diffusers folder, .safetensors checkpoint, 'sdxl', 'mini', or 'tiny'.",
    )
    pretrained_vae_model_name_or_path: str | None = Field(
        default=None, description="Replacement VAE, e.g. sdxl-vae-fp16."
    )
    revision: str | None = Field(default=None, description="Revision of the model on the hub.")
    variant: str | None = Field(default=None, description="Weight variant of the model files, e.g. fp16.")
    prediction_type: Literal["epsilon", "v_prediction"] | None = Field(
        default=None, description="What the UNet predicts; unset: what the model says."
    )
    rescale_betas_zero_snr: bool | None = Field(
        default=None, description="Noise schedule that ends in pure noise; unset: what the model says."
    )
    quantize: Literal["fp8", "nf4"] | None = Field(
        default=None, description="Store the frozen UNet in 8 or 4 bits, to save memory; nf4 needs bitsandbytes."
    )


class LoraSection(Section):
    rank: int = Field(
        default=32, ge=1, description="Rank of the LoRA matrices; faces at 64 look air-brushed, says the guide."
    )
    lora_alpha: float | None = Field(default=None, gt=0, description="Scale numerator; the rank when unset.")
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the LoRA input.")
    use_dora: bool = Field(default=False, description="DoRA: learn directions and magnitudes apart; slower.")
    lora_layers: Literal["attention", "attention_and_feed_forward"] = Field(
        default="attention", description="Layers of the UNet's transformer blocks that get a LoRA."
    )
    lora_unet_blocks: list[str] | None = Field(
        default=None, description="UNet blocks that get a LoRA, e.g. up_blocks.0.attentions.1; all when unset."
    )
    use_blora: bool = Field(
        default=False, description="B-LoRA: only the block of content and the block of style get a LoRA."
    )
    init_from: str | None = Field(
        default=None, description="Run, or folder of one of its checkpoints, whose weights training starts from."
    )


class TextEncoderSection(Section):
    train_text_encoder_ti: bool = Field(
        default=True, description="Pivotal tuning: learn new tokens for the trigger words."
    )
    train_text_encoder_ti_frac: float = Field(
        default=0.5, ge=0, le=1, description="Share of the steps after which the new tokens stop training (the pivot)."
    )
    num_new_tokens_per_abstraction: int = Field(default=2, ge=1, description="New tokens for each trigger word.")
    initializer_concept: str | None = Field(
        default=None, description="Word that new tokens start from, e.g. 'woman'; unset: random ones."
    )
    train_text_encoder: bool = Field(
        default=False, description="Train a LoRA on both text encoders instead of new tokens."
    )
    train_text_encoder_frac: float = Field(
        default=1.0, ge=0, le=1, description="Share of the steps after which the text encoders stop training."
    )
    text_encoder_lr: Annotated[float, Field(gt=0)] | Literal["unet"] | None = Field(
        default=None,
        description="Rate of new tokens or text-encoder LoRA; 'unet' follows learning_rate; unset: the guide's.",
    )
    adam_weight_decay_text_encoder: float | None = Field(
        default=None, ge=0, description="Weight decay of the text-encoder parameters; unset: as the UNet's."
    )
    clip_skip: int | None = Field(
        default=None, ge=1, le=10, description="More layers of the text encoders to skip; SDXL itself skips the last."
    )
    chunk_captions: bool = Field(
        default=False, description="Encode captions of more than 75 tokens in chunks of 75 instead of cutting them."
    )


class OptimizerSection(Section):
    optimizer: Literal["prodigy", "adamw", "adafactor"] = Field(
        default="prodigy", description="prodigy finds its own rate; adamw and adafactor need one."
    )
    use_8bit_adam: bool = Field(default=False, description="AdamW with its state in 8 bits; needs bitsandbytes.")
    learning_rate: float | None = Field(
        default=None, gt=0, description="UNet rate; unset: 1.0 for prodigy, 1e-4 for adamw."
    )
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="First moment's decay, also Prodigy's.")
    adam_beta2: float | None = Field(
        default=None, ge=0, lt=1, description="Second moment's decay; unset: 0.99 for prodigy, 0.999 for adamw."
    )
    adam_weight_decay: float | None = Field(
        default=None, ge=0, description="Weight decay; unset: 0.01 for prodigy, 1e-4 for adamw."
    )
    adam_epsilon: float = Field(default=1e-8, gt=0, description="Denominator's floor, also Prodigy's.")
    prodigy_beta3: float | None = Field(
        default=None, ge=0, lt=1, description="Decay of Prodigy's step estimate; unset: sqrt(beta2)."
    )
    prodigy_decouple: bool = Field(default=True, description="Decoupled weight decay in Prodigy, as in AdamW.")
    prodigy_use_bias_correction: bool = Field(default=True, description="Adam's bias correction in Prodigy.")
    prodigy_safeguard_warmup: bool = Field(default=True, description="Keep Prodigy's estimate safe during a warm-up.")
    prodigy_d_coef: float = Field(default=1.0, gt=0, description="Factor on Prodigy's estimate; 0.5 to 2 is usual.")
    prodigy_growth_rate: float | None = Field(
        default=None, gt=1, description="Most that Prodigy's estimate may grow in a step, e.g. 1.02; unset: no limit."
    )
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradients are clipped to this norm.")
    lr_scheduler: Literal[
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"
    ] = Field(default="constant", description="Shape of the rate over the run.")
    lr_warmup_steps: int = Field(default=0, ge=0, description="Optimizer steps of warm-up.")
    lr_num_cycles: int = Field(default=1, ge=1, description="Cycles of cosine_with_restarts.")
    lr_power: float = Field(default=1.0, gt=0, description="Power of polynomial.")


class LossSection(Section):
    snr_gamma: float | None = Field(
        default=5.0, gt=0, description="Min-SNR weighting; the guide recommends 5.0; 'none' is off."
    )
    noise_offset: float = Field(
        default=0.0, ge=0, description="Offset noise strength; helps very dark and bright pictures."
    )
    masked_loss: bool = Field(
        default=False, description="Learn from what a photo's mask shows; masks are files (mask_dir) or alpha."
    )
    unmasked_weight: float = Field(default=0.1, ge=0, le=1, description="Weight of what lies outside the mask.")


class PriorSection(Section):
    with_prior_preservation: bool = Field(
        default=False, description="Also train on pictures of the class, to keep it known."
    )
    class_data_dir: str | None = Field(
        default=None, description="Folder of class pictures; real photos work best, says the guide."
    )
    class_dataset_name: str | None = Field(
        default=None, description="The same from the hub, e.g. multimodalart/faces-prior-preservation."
    )
    class_prompt: str | None = Field(
        default=None, description="Caption of the class pictures, e.g. 'a photo of a woman'."
    )
    num_class_images: int = Field(default=100, ge=1, description="Class pictures wanted; missing ones are generated.")
    prior_target: Literal["class_images", "base_model"] = Field(
        default="class_images",
        description="What keeps the class known: its pictures, or without any the frozen base model's own predictions.",
    )
    prior_loss_weight: float = Field(default=1.0, ge=0, description="Weight of the class pictures' loss.")


class SampleSection(Section):
    validation_prompt: str | None = Field(
        default=None, description="Prompt of the sample pictures; unset: prompts that suit the kind."
    )
    validation_prompts: list[str] = Field(default=[], description="More prompts, each with its own pictures.")
    num_validation_images: int = Field(default=1, ge=0, description="Sample pictures of each prompt; 0 is none.")
    validation_seed: int | None = Field(
        default=None, ge=0, description="Seed of the sample pictures, the same at each step; unset: the run's."
    )
    validation_steps: int | None = Field(
        default=None, ge=1, description="Sample every so many steps; unset: only at the end."
    )
    num_inference_steps: int = Field(default=25, ge=1, description="Denoising steps of a sample picture.")
    guidance_scale: float = Field(default=5.0, ge=0, description="Guidance of the sample pictures.")


class RunSection(Section):
    max_train_steps: int | None = Field(
        default=None, ge=1, description="Optimizer steps; unset: steps_per_photo times photos."
    )
    steps_per_photo: int = Field(
        default=75, ge=1, description="Steps for each photo when max_train_steps is unset (500 to 1,500)."
    )
    train_batch_size: int = Field(default=1, ge=1, description="Photos in a micro-batch.")
    gradient_accumulation_steps: int = Field(default=1, ge=1, description="Micro-batches in an optimizer step.")
    gradient_checkpointing: bool = Field(default=False, description="Recompute activations: less memory, slower.")
    low_memory: bool = Field(
        default=False, description="For small GPUs: gradient_checkpointing, quantize = fp8, micro-batches of 1."
    )
    oom_retry: bool = Field(
        default=True, description="When the GPU is full, halve the micro-batch and accumulate twice as often."
    )
    torch_compile: bool = Field(
        default=False, description="Compile the UNet: slow first steps, also after the pivot, then faster."
    )
    mixed_precision: Literal["no", "fp16", "bf16"] | None = Field(
        default=None, description="Compute type; unset: bf16 where a GPU has it, else no."
    )
    seed: int = Field(default=0, ge=0, description="Every draw is a function of it.")
    checkpointing_steps: int = Field(
        default=500, ge=1, description="Steps between checkpoints; the end always has one."
    )
    checkpointing_minutes: float | None = Field(
        default=10.0, gt=0, description="Minutes between checkpoints, whichever comes first; 'none' is off."
    )
    checkpoints_total_limit: int | None = Field(
        default=5, ge=1, description="Newest checkpoints that are kept; 'none' keeps all."
    )
    checkpoints_keep_every: int | None = Field(
        default=None, ge=1, description="A checkpoint at each multiple of so many steps that stays, to choose from."
    )
    max_skipped_steps: int = Field(
        default=10, ge=1, description="Steps in a row without a finite loss or gradient that end the run."
    )
    report_to: Literal["tensorboard", "wandb", "trackio"] | None = Field(
        default=None, description="Tracker that gets the same numbers as events.jsonl, which is always written."
    )
    report_samples: bool = Field(
        default=False, description="Send the sample pictures to wandb or trackio too; tensorboard keeps them here."
    )
    num_processes: int = Field(
        default=1, ge=1, description="Processes that share each step, one for each GPU; each has its own micro-batches."
    )
    accelerate_config: str | None = Field(
        default=None, description="File that `accelerate config` wrote, for several machines."
    )
    max_hours: float | None = Field(
        default=None, gt=0, description="Hours of work after which the run stops, with a checkpoint and an export."
    )
    price_per_hour: float | None = Field(default=None, gt=0, description="Cost of the box an hour, to tell the run's.")
    max_cost: float | None = Field(
        default=None, gt=0, description="Cost at which the run stops, with a checkpoint and an export."
    )
    sync_to: str | None = Field(
        default=None,
        description="Copies checkpoints, samples, output to rclone:REMOTE:PATH, rsync:HOST:PATH or hub:USER/NAME.",
    )
    on_finish: str | None = Field(
        default=None, description="Command after the run finished, failed or stopped, e.g. 'sudo shutdown -h now'."
    )
    notify_command: str | None = Field(
        default=None, description="Command at the pivot and when the run finished or failed; reads LORATUI_* variables."
    )
    notify_webhook: str | None = Field(
        default=None, description="URL that is posted the same as JSON; Slack and Discord read it."
    )


class OutputSection(Section):
    output_dir: str | None = Field(
        default=None, description="The guide's flag: its last part names the run and its files."
    )
    push_to_hub: bool = Field(
        default=False, description="The guide's flag; files stay here, and the run says how to upload them."
    )


class LintSection(Section):
    select: list[str] = Field(
        default=[], description="Rule codes, or prefixes of them, that lint applies; all when empty."
    )
    extend_select: list[str] = Field(default=[], description="More of them, also from a family that is ignored.")
    ignore: list[str] = Field(default=[], description="Rule codes, or prefixes of them, that lint leaves out.")
    fail_on: Severity = Field(default="error", description="lint exits with 1 at findings of this severity or worse.")
    severity: dict[str, Severity] = Field(
        default={}, description="Severity by rule code or prefix: error, warning or info; the longest prefix wins."
    )
    params: dict[str, dict[str, int | FiniteFloat]] = Field(
        default={}, description="Thresholds by rule code; `loratui explain CODE` names them."
    )

    def selection(self) -> "Selection":
        """The choice of rules. Raises CurationError for a rule or a threshold that does not exist."""
        from curation.selection import Selection  # 300 ms: numpy and OpenCV

        return Selection(
            tuple(self.select), tuple(self.extend_select), tuple(self.ignore), dict(self.severity), dict(self.params)
        )

"""The config that a worker gets: it may run elsewhere and later, so nothing hangs on the folder one stands in."""

from curation.dataset import Dataset
from engine.config import TrainConfig
from engine.models.names import BUILT_IN, full_name
from engine.paths import is_there, typed_path
from engine.plan import Plan


def frozen(config: TrainConfig, dataset: Dataset, plan: Plan) -> TrainConfig:
    """The resolved config with absolute paths, the folder that a dataset was read into, and its number of steps."""
    data, prior, model = config.data, config.prior, config.model
    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"max_train_steps": plan.total_steps}),
            "data": data.model_copy(
                update={
                    "instance_data_dir": str(dataset.root),
                    "dataset_name": None,
                    "mask_dir": _absolute(data.mask_dir),
                }
            ),
            "prior": prior.model_copy(
                update={
                    "class_data_dir": _absolute(prior.class_data_dir),
                    "class_dataset_name": _absolute_if_here(prior.class_dataset_name),
                }
            ),
            "model": model.model_copy(
                update={
                    "pretrained_model_name_or_path": _model(model.pretrained_model_name_or_path),
                    "pretrained_vae_model_name_or_path": _model(model.pretrained_vae_model_name_or_path),
                }
            ),
        }
    )


def _absolute(name: str | None) -> str | None:
    return str(typed_path(name).absolute()) if name else name


def _absolute_if_here(name: str | None) -> str | None:
    """A path that exists, absolute; a name of the hub as it is."""
    return _absolute(name) if name and is_there(typed_path(name)) else name


def _model(name: str | None) -> str | None:
    """The same for a model, where a name of ours goes before a folder: what it stands for."""
    return name if name is None or name in BUILT_IN else _absolute_if_here(full_name(name))

"""A face pack of a few kilobytes, without learned weights, that the real `FaceAnalysis` loads and runs.

It takes a magenta dot for the middle of a face, and a face's colours for whose it is.
"""

import pickle
from pathlib import Path

import insightface
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

MAGENTA = (255, 0, 255)
HALF_BOX = 4
"""Of a found face, in cells of 8 pixels, in a photo whose long side is scaled to 640."""

ARCFACE_POINTS = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]) - 56
"""Where eyes, nose and mouth stand in the 112 pixels that recognition takes, from its middle."""


def write_pack(folder: Path, yaw: float | None = None, identity: bool = True) -> Path:
    """Write the pack.  yaw: degrees that every head is turned by; None leaves the landmarks out."""
    folder.mkdir(parents=True)
    _save(_detector(), folder / "det_stub.onnx")
    if identity:
        _save(_recogniser(), folder / "rec_stub.onnx")
    if yaw is not None:
        _save(_landmarks(yaw), folder / "lmk_stub.onnx")
    return folder


def portrait(
    person: tuple[int, int, int], size: tuple[int, int] = (640, 480), at: tuple[int, int] = (320, 200)
) -> Image.Image:
    """A photo with one face of the given colours, 64 pixels wide, in the middle of which is `at`, multiples of 8."""
    image = Image.effect_noise(size, 40).convert("RGB")
    add_face(image, person, at)
    return image


def add_face(image: Image.Image, person: tuple[int, int, int], at: tuple[int, int]) -> None:
    draw, (x, y) = ImageDraw.Draw(image), at
    draw.rectangle((x - 40, y - 40, x + 40, y), fill=person)
    draw.rectangle((x - 40, y, x + 40, y + 40), fill=(person[2], person[0], person[1]))
    draw.rectangle((x, y, x + 7, y + 7), fill=MAGENTA)


def _detector() -> onnx.ModelProto:
    """Nine outputs as SCRFD has them: scores, boxes and points at strides 8, 16 and 32, two anchors each."""
    nodes, constants = [], {"magenta": np.zeros((2, 3, 1, 1), np.float32)}
    constants["magenta"][0, :, 0, 0] = (10, -10, 10)  # of (red, green, blue) in -1..1: 30 on pure magenta
    constants |= {
        "bias": np.array([-25, -100], np.float32),
        "column": np.array([-1, 1]),
        "nothing": np.zeros((1, 1), np.float32),
    }
    constants |= {"box": np.full((1, 4), HALF_BOX, np.float32)}
    constants |= {"points": (ARCFACE_POINTS / 112 * 2 * HALF_BOX).astype(np.float32).reshape(1, 10)}
    for stride in (8, 16, 32):
        sides = [stride, stride]
        nodes += [
            helper.make_node("AveragePool", ["image"], [f"pooled{stride}"], kernel_shape=sides, strides=sides),
            helper.make_node("Conv", [f"pooled{stride}", "magenta", "bias"], [f"logits{stride}"]),
            helper.make_node("Sigmoid", [f"logits{stride}"], [f"grid{stride}"]),
            helper.make_node("Transpose", [f"grid{stride}"], [f"last{stride}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"last{stride}", "column"], [f"found{stride}"]),
            helper.make_node("Mul", [f"found{stride}", "nothing"], [f"none{stride}"]),
            helper.make_node("Identity" if stride == 8 else "Mul", _only_at_8(stride), [f"score{stride}"]),
            helper.make_node("Add", [f"none{stride}", "box"], [f"box{stride}"]),
            helper.make_node("Add", [f"none{stride}", "points"], [f"points{stride}"]),
        ]
    outputs = [
        helper.make_tensor_value_info(f"{name}{stride}", TensorProto.FLOAT, [f"n{stride}", width])
        for name, width in (("score", 1), ("box", 4), ("points", 10))
        for stride in (8, 16, 32)
    ]
    return _model(nodes, constants, [1, 3, "height", "width"], outputs)


def _only_at_8(stride: int) -> list[str]:
    return ["found8"] if stride == 8 else [f"found{stride}", "nothing"]


def _recogniser() -> onnx.ModelProto:
    """The colours of a face in 14 x 14 cells, without the dot in its middle, as 512 numbers."""
    mask = np.ones((1, 1, 14, 14), np.float32)
    mask[:, :, 5:9, 5:9] = 0
    constants = {"mask": mask, "row": np.array([1, -1]), "start": np.array([0]), "end": np.array([512])}
    constants["axis"] = np.array([1])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["pooled", "mask"], ["seen"]),
        helper.make_node("Reshape", ["seen", "row"], ["flat"]),
        helper.make_node("Slice", ["flat", "start", "end", "axis"], ["embedding"]),
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 512])
    return _model(nodes, constants, [1, 3, 112, 112], [output])


def _landmarks(yaw: float) -> onnx.ModelProto:
    """insightface's mean head, turned by `yaw`, whatever the picture: 1103 points, of which the last 68 count."""
    mean = Path(insightface.__file__).parent / "data" / "objects" / "meanshape_68.pkl"
    head = np.asarray(pickle.loads(mean.read_bytes()))
    cosine, sine = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    turned = head @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T
    turned = turned / np.abs(turned).max() * 0.6
    points = np.concatenate([np.zeros((1103 - 68, 3)), turned]).astype(np.float32).reshape(1, -1)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], keepdims=0),
        helper.make_node("Mul", ["grey", "nothing"], ["none"]),
        helper.make_node("Add", ["none", "head"], ["landmarks"]),
    ]
    output = helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, [1, 3309])
    return _model(nodes, {"nothing": np.zeros(1, np.float32), "head": points}, [1, 3, 192, 192], [output])


def _model(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list, outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "stub", [image], outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())

"""A network as a graph of operations on data, with the parameters and the output shape of each."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

NORMS = nn.modules.batchnorm._BatchNorm  # of any rank, and what others derive of it
FOLDING = (nn.modules.conv._ConvNd, nn.Linear)  # what a batch norm can be folded into
BATCH = 2


@dataclass
class Operation:
    """One step: `inputs` are numbers of earlier operations, none for the network's own input; `shape` without batch."""

    name: str
    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    parameters: int


def operations(model: nn.Module, input_shape: Sequence[int], *, fold: bool) -> list[Operation]:
    """The operations of a network from its input on, in the order in which it runs them.

    Weights that are used again count where they are used first. With `fold`, a batch norm behind a convolution or a
    linear layer becomes its bias. The model itself is not touched: a copy without weights is traced and run.
    Raises ValueError for a model that cannot be traced, or inputs that do not fit it.
    """
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    model = model.module if isinstance(model, nn.DataParallel) else model
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(f"{type(model).__name__} is TorchScript, whose graph cannot be read; give the module itself")
    twin = _twin(model)
    try:
        graph = _Tracer().trace(twin)
    except Exception as error:  # whatever a forward does with a symbolic value
        raise ValueError(f"{type(model).__name__} cannot be traced ({_first_line(error)}); its forward must not decide "
                         "by values: give the part of it that does not") from error
    shapes = _shapes(fx.GraphModule(twin, graph), type(model).__name__, input_shape)
    return _collect(twin, graph, shapes, fold)


class _Tracer(fx.Tracer):
    """Modules without parts are one operation each, whatever their forward checks; so are batch norms that hold an
    activation, as timm's."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or not any(
            not isinstance(m, NORMS) or any(True for _ in part.parameters()) for part in m.children())


class _Shapes(fx.Interpreter):
    """Runs the graph and notes the shape (or shapes) of every value."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, list[torch.Size]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        parts = value if isinstance(value, (tuple, list)) else [value]
        self.found[n] = [part.shape for part in parts if isinstance(part, Tensor)]
        return value


def _twin(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose weights are on the meta device: shapes without values."""
    memo: dict[int, Any] = {}
    for owned in (model.parameters(), model.buffers()):
        for tensor in owned:
            bare = tensor.detach().to("meta")
            memo[id(tensor)] = nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare
    return copy.deepcopy(model, memo).eval()


def _shapes(module: fx.GraphModule, name: str, input_shape: Sequence[int]) -> dict[fx.Node, list[torch.Size]]:
    """The shapes of every value for inputs of the weights' type, or uint8 ones where it takes these (characters)."""
    errors = []
    own = next((weight.dtype for weight in module.parameters() if weight.is_floating_point()), torch.float32)
    for dtype in (own, torch.uint8):
        interpreter = _Shapes(module)
        try:
            with torch.no_grad():
                interpreter.run(torch.empty((BATCH, *input_shape), dtype=dtype, device="meta"))
            return interpreter.found
        except Exception as error:  # whatever a layer says of a shape that it cannot take
            errors.append(_first_line(error))
    raise ValueError(f"{name} does not take inputs [B, {', '.join(map(str, input_shape))}] ({errors[0]}); check "
                     "input_shape, which is without the batch, and that forward takes nothing else")


def _collect(twin: nn.Module, graph: fx.Graph, shapes: dict[fx.Node, list[torch.Size]], fold: bool) -> list[Operation]:
    found: list[Operation] = []
    number: dict[fx.Node, int] = {}            # of the nodes that carry data
    carried: dict[fx.Node, list[Tensor]] = {}  # parameters in an expression without data, as a class token's
    counted: set[int] = set()
    modules = dict(twin.named_modules())
    for node in graph.nodes:
        inputs = [number[one] for one in node.all_input_nodes if one in number]
        own = [p for one in node.all_input_nodes for p in carried.get(one, [])]
        module = modules[str(node.target)] if node.op == "call_module" else None
        if module is not None:
            own += module.parameters()
        elif node.op == "get_attr":
            own += _attribute(twin, str(node.target))
        if node.op == "output" or (node.op != "placeholder" and not inputs):
            carried[node] = own
            continue
        if not shapes[node]:  # a size, say: no data
            continue
        fresh = _count(own, counted)
        before = node.all_input_nodes[0] if node.all_input_nodes else None
        if fold and isinstance(module, NORMS) and before in number and len(before.users) == 1 and isinstance(
                modules.get(str(before.target)) if before.op == "call_module" else None, FOLDING):
            into = modules[str(before.target)]
            if into.bias is None and fresh:
                found[number[before]].parameters += module.num_features
            fresh = 0
        number[node] = len(found)
        name, kind = node.name, getattr(node.target, "__name__", str(node.target))
        if module is not None:
            name, kind = str(node.target), type(module).__name__
        found.append(Operation(name, kind, tuple(dict.fromkeys(inputs)), _joined(shapes[node]), fresh))
    return found


def _joined(shapes: list[torch.Size]) -> tuple[int, ...]:
    """The shape without batch; of a value in several parts the number of all their neurons."""
    first = shapes[0]
    if len(shapes) == 1 and first and first[0] == BATCH:
        return tuple(first[1:])
    return (sum(shape.numel() for shape in shapes) // BATCH,)  # the batch stands elsewhere, as in a sequence first


def _attribute(twin: nn.Module, target: str) -> list[Tensor]:
    value: Any = twin
    for part in target.split("."):
        value = getattr(value, part)
    return [value] if isinstance(value, nn.Parameter) else []


def _count(parameters: Iterable[Tensor], counted: set[int]) -> int:
    """How many weights these are that were not counted before."""
    total = 0
    for parameter in parameters:
        if id(parameter) not in counted:
            counted.add(id(parameter))
            total += parameter.numel()
    return total


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]

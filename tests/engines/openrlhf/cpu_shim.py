"""Lets stock OpenRLHF, DeepSpeed and vLLM run without a GPU. For tests only; no result depends on it.

`install` registers an import hook that changes a few functions right after their module is executed,
so it is cheap enough for `sitecustomize`, which reaches every process that Ray and vLLM start.

RED_CPU_SHIM says in which precision: `bfloat16` as on a GPU, or `float32`, in which a processor without instructions
for bfloat16 takes a twentieth of the time.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

PRECISION = os.environ.get("RED_CPU_SHIM")


class CpuDevice(str):
    """ "cpu" as a device, "0" inside of an f-string: OpenRLHF uses the current device for both."""

    def __format__(self, spec: str) -> str:
        return "0"


def torch_cuda(torch: ModuleType) -> None:
    """OpenRLHF calls these without asking whether there is a GPU."""
    if torch.cuda.is_available():
        return
    torch.cuda.current_device = lambda: CpuDevice("cpu")
    for name in ("set_device", "synchronize", "empty_cache", "current_stream"):
        setattr(torch.cuda, name, lambda *_, **__: None)


def no_shared_memory_build(module: ModuleType) -> None:
    """DeepSpeed would compile an extension (40 s) that one process per machine does not need."""
    module.build_shm_op = lambda: None


def gloo_weight_sync(module: ModuleType) -> None:
    """Gloo broadcasts the weights in the place of NCCL. (vLLM's own group of host processes would pickle each tensor
    into its store, and keep it there: gigabytes per step.)"""

    class Communicator:
        def __init__(self, host: str, port: int, rank: int, size: int) -> None:
            from torch.distributed import ProcessGroupGloo, TCPStore

            store = TCPStore(host, port, size, is_master=rank == 0)
            self.group = ProcessGroupGloo(store, rank, size, store.timeout)

        def broadcast(self, tensor: Any, src: int, stream: Any = None) -> None:
            self.group.broadcast(tensor, src).wait()

    module.stateless_init_process_group = lambda host, port, rank, size, _device: Communicator(host, port, rank, size)


def live_linear_weights(module: ModuleType) -> None:
    """vLLM repacks linear weights on a CPU and drops the originals: updates would miss them, and a
    tied head would silently keep the old ones."""
    from torch.nn.functional import linear

    def dispatch(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = linear

    module.dispatch_cpu_unquantized_gemm = dispatch


def cpu_mesh(module: ModuleType) -> None:
    """The mesh of ranks is one of CPU processes."""
    stock = module.init_device_mesh
    module.init_device_mesh = lambda _device, *rest, **named: stock("cpu", *rest, **named)


def torch_adamw_and_precision(module: ModuleType) -> None:
    """DeepSpeed's Adam for an offloaded optimizer would be compiled; the others are torch's already. Without half
    precision DeepSpeed computes in float32."""
    stock = module.get_train_ds_config

    def config(*positional: Any, adam_offload: bool = False, **named: Any) -> dict:
        made = stock(*positional, adam_offload=adam_offload, **named)
        made["bf16"]["enabled"] = made["bf16"]["enabled"] and PRECISION == "bfloat16"
        if adam_offload:
            made.get("optimizer", {"params": {}})["params"]["torch_adam"] = True
        return made

    module.get_train_ds_config = config


def float32_weights(module: ModuleType) -> None:
    """OpenRLHF's names for half precision stand for float32."""
    if PRECISION == "float32":
        module.convert_to_torch_dtype = lambda _name: sys.modules["torch"].float32


def float32_rollouts(module: ModuleType) -> None:
    """OpenRLHF asks vLLM for bfloat16 by its name."""
    if PRECISION == "float32":
        stock = module.EngineArgs.create_model_config

        def create_model_config(self: Any) -> Any:
            self.dtype = "float32"
            return stock(self)

        module.EngineArgs.create_model_config = create_model_config


AFTER: dict[str, Callable[[ModuleType], None]] = {
    "torch": torch_cuda,
    "deepspeed.comm.torch": no_shared_memory_build,
    "openrlhf.utils.distributed_util": gloo_weight_sync,
    "openrlhf.utils.utils": float32_weights,
    "vllm.engine.arg_utils": float32_rollouts,
    "vllm.model_executor.layers.utils": live_linear_weights,
    "openrlhf.utils.deepspeed.deepspeed": cpu_mesh,
    "openrlhf.utils.deepspeed.deepspeed_utils": torch_adamw_and_precision,
}
NEEDS_FLASH_ATTENTION = "openrlhf.models.ring_attn_utils"


def flash_attention_stub() -> dict[str, ModuleType]:
    """What that module imports from flash-attn; used for packing and ring attention only."""
    names = ("flash_attn", "flash_attn.bert_padding", "flash_attn.utils", "flash_attn.utils.distributed")
    modules = {name: ModuleType(name) for name in names}
    for name in ("index_first_axis", "pad_input", "rearrange", "unpad_input"):
        setattr(modules["flash_attn.bert_padding"], name, None)
    modules["flash_attn.utils.distributed"].all_gather = None
    return modules


class Loader(importlib.abc.Loader):
    """Executes a module, then applies its change. The stub is visible only while it is needed, so that
    transformers and vLLM never see a false flash-attn."""

    def __init__(self, name: str, stock: Any) -> None:
        self.name, self.stock = name, stock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stock, name)

    def create_module(self, spec: Any) -> Any:
        return self.stock.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        stub = {}
        if self.name == NEEDS_FLASH_ATTENTION and importlib.util.find_spec("flash_attn") is None:
            stub = flash_attention_stub()
        sys.modules.update(stub)
        try:
            self.stock.exec_module(module)
        finally:
            for name in stub:
                del sys.modules[name]
        AFTER.get(self.name, lambda _: None)(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the listed modules as usual and wraps their loaders."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in AFTER and name != NEEDS_FLASH_ATTENTION:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(name, spec.loader)
        return spec


def install() -> None:
    """Call before torch is imported."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    sys.meta_path.insert(0, Finder())

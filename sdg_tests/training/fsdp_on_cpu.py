"""Training with FSDP on CPUs: torch can, but accelerate asks for it on accelerators alone.

Run by torchrun in test_resume.py, in the stead of ``-m sdg_training.train``.
"""

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from sdg_training.train import main

initialise = AcceleratorState.__init__


def initialise_with_fsdp(self: AcceleratorState, *args: object, **kwargs: object) -> None:
    initialise(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.FSDP
        self.fsdp_plugin = kwargs.get("fsdp_plugin") or FullyShardedDataParallelPlugin()


if __name__ == "__main__":
    AcceleratorState.__init__ = initialise_with_fsdp
    main()

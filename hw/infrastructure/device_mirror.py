"""A replay buffer's transitions once more, on the device that learns from them.

Shapes: B batch.
"""

import numpy as np
import torch
from torch import Tensor

import hw.infrastructure.pytorch_util as ptu


class DeviceMirror:
    """The records of a buffer in the device's memory, where batches are gathered.

    Which transitions make a batch is the buffer's affair: with a mirror or without, a run draws the
    same ones. Of each batch only their slots travel, and each new record once.

    Args:
        records: the buffer's, (capacity,), as it goes on filling them.
    """

    def __init__(self, records: np.ndarray):
        self.records = records
        shape = len(records), records.dtype.itemsize
        self.mirrored = torch.zeros(shape, dtype=torch.uint8, device=ptu.device)
        self.num_mirrored = 0

    def read(self, numbers: np.ndarray, num_inserted: int) -> dict[str, Tensor]:
        """Every field of the transitions with these numbers (B,), on the device.

        Args:
            num_inserted: transitions that the buffer was given so far.
        """
        self.catch_up(num_inserted)
        slots = ptu.from_numpy(numbers % len(self.records))
        rows = self.mirrored[slots]
        return {name: self._column(rows, name) for name in self.records.dtype.names}

    def catch_up(self, num_inserted: int) -> None:
        """Bring over the records inserted since the last call; of overwritten ones the newest."""
        capacity = len(self.records)
        first = max(self.num_mirrored, num_inserted - capacity)
        while first < num_inserted:
            slot = first % capacity
            count = min(num_inserted - first, capacity - slot)
            new = self.records[slot : slot + count].view(np.uint8).reshape(count, -1)
            self.mirrored[slot : slot + count] = ptu.from_numpy(new)
            first += count
        self.num_mirrored = num_inserted

    def _column(self, rows: Tensor, name: str) -> Tensor:
        """One field of rows (B, bytes of a record), as (B, *)."""
        dtype, offset = self.records.dtype.fields[name][:2]
        values = rows[:, offset : offset + dtype.itemsize].contiguous()
        values = values.view(torch.from_numpy(np.empty(0, dtype.base)).dtype)
        return values.reshape(len(rows), *dtype.shape)

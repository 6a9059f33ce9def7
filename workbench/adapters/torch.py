"""PyTorch's two kinds of data set over samples of a release; imported only where torch is installed already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info


def tensors(sample: Any) -> tuple[Any, dict[str, Any]]:
    """Return a sample as torchvision's detectors take it.

    Returns
    -------
    tuple
        The image, (3, h, w) float32 in [0, 1], and the target: ``boxes`` (n, 4), ``labels`` (n,), ``masks`` (n, h, w)
        and ``image_id``, the sample's id as text.

    """
    chw = np.ascontiguousarray(np.moveaxis(sample.image_hwc, -1, 0), np.float32) / np.float32(255)
    target = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in sample.target().items()}
    return torch.from_numpy(chw), {**target, "image_id": sample.image_id}


class MapSamples(Dataset):  # type: ignore[misc]  # torch is not here when types are checked
    """Samples by number, for a loader that shuffles."""

    def __init__(self, samples: Any) -> None:
        """Wrap samples that have a length and numbers."""
        self.samples = samples

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        """Return the tensors of a sample."""
        return tensors(self.samples[index])


class IterableSamples(IterableDataset):  # type: ignore[misc]  # as above
    """Samples as a stream, of which each worker of the loader takes its part."""

    def __init__(self, samples: Any) -> None:
        """Wrap samples that can be streamed in parts."""
        self.samples = samples

    def __iter__(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield the tensors of this worker's samples."""
        worker = get_worker_info()
        part, parts = (worker.id, worker.num_workers) if worker else (0, 1)
        return (tensors(sample) for sample in self.samples.stream(part, parts))

"""The built-in parts as the tests of synthesis place them."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.synthesis.parts import BUILTIN
from workbench.synthesis.scene import RestingPart, as_pose


@pytest.fixture(scope="session")
def upright_parts() -> list[RestingPart]:
    """Return the built-in parts, each resting as it was made."""
    return [
        RestingPart(
            part_id=part_id,
            mesh_sha256=part_id,
            category=category,
            materials=materials,
            mesh=make(),
            resting=(as_pose(np.eye(4)),),
            weights=(1.0,),
        )
        for part_id, _, category, materials, make in BUILTIN
    ]

"""The one package that is installed, ``crypto_lakehouse``, in which the project's own packages lie.

Their plain names, such as ``commands``, could be those of another library of a cluster, so none of them is installed at
the top. Importing this one puts the folder that holds them first on Python's path.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

_ground = find_spec(f"{__name__}.lakehouse")
assert _ground and _ground.origin
_folder = str(Path(_ground.origin).parents[1])
if _folder not in sys.path:
    sys.path.insert(0, _folder)

"""The plumbing that the pages import: device, profile, data, training, summary, plotting.

Pages own operators and models; what would only distract from them stands here. The import of this
package also sets how the process keeps the memory that it has freed (`helpers.memory`).
"""

try:
    import d2l  # noqa: F401
except ModuleNotFoundError:
    raise ImportError(
        "The book needs d2l beside its requirements: pip install --no-deps d2l==1.0.3"
    ) from None

from helpers.data import FashionMNIST
from helpers.device import best_device, describe_device, seed_everything
from helpers.history import History
from helpers.memory import keep_freed_memory
from helpers.profile import Profile, current_profile
from helpers.summary import Summary, summary
from helpers.training import Trainer, evaluate, predict

__all__ = [
    "FashionMNIST",
    "History",
    "Profile",
    "Summary",
    "Trainer",
    "best_device",
    "current_profile",
    "describe_device",
    "evaluate",
    "predict",
    "seed_everything",
    "summary",
]

keep_freed_memory()

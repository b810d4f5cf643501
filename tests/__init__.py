"""The tests; each folder is named after what it tests.

jsonschema, which nbformat imports, builds 38 grammars of addresses, for a format that no notebook
has, and takes 3 seconds for it in each process. Without them it leaves that format alone.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

"""Compile the site, serve it on this machine, and compile it again whenever a file is saved.

python -m tools.serve [PORT]
"""

import functools
import http.server
import subprocess
import sys
import threading
import time
from pathlib import Path

from tools.pages import ROOT

WATCHED = ("chapters", "extensions", "_static", "helpers/live", "*.md", "*.yml", "*.bib")
ENDINGS = {".md", ".ipynb", ".py", ".css", ".js", ".svg", ".yml", ".bib"}


def newest(root: Path = ROOT) -> float:
    """When the latest of the files that the site is made of was saved."""
    found = (path for pattern in WATCHED for path in root.glob(pattern))
    files = (f for p in found for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file())
    return max(file.stat().st_mtime for file in files if file.suffix in ENDINGS)


def build() -> None:
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    run = subprocess.run(
        [jupyter_book, "build", ".", "-n", "--keep-going"], cwd=ROOT, capture_output=True, text=True
    )
    faults = [line for line in run.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
    print(*faults, time.strftime("%H:%M:%S") + " ready", sep="\n", flush=True)


def serve(port: int) -> None:
    handler = functools.partial(Quiet, directory=ROOT / "_build" / "html")
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        made = 0.0
        while True:
            if (saved := newest()) > made:
                made = saved
                build()
            time.sleep(1)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Leave the terminal to the builds."""


if __name__ == "__main__":
    try:
        serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
    except KeyboardInterrupt:
        sys.exit(0)

"""moto's S3 server with a put-if-absent that is one step: ``s3_server.py PORT``.

moto looks whether the object is there and then writes it, in threads that may come in between (5.x); Amazon's server,
which tests of several writers have it stand in for, does both at once. moto's own command would also look up for each
request which of Amazon's services is meant, by listing the folders of its package; here it is S3 always.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.responses import S3Response
from werkzeug.serving import run_simple

_LOCK = threading.Lock()
_put_object = S3Response.put_object


def _put_alone(self: S3Response) -> Any:
    with _LOCK:
        return _put_object(self)


class Handler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nobody reads it, and there are tens of thousands."""


if __name__ == "__main__":
    S3Response.put_object = _put_alone  # type: ignore[method-assign]
    app = create_backend_app("s3")
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Handler)

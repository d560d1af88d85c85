"""moto's S3 server with a put-if-absent that is one step: ``s3_server.py PORT``.

moto looks whether the object is there and then writes it, in threads that may come in between (5.x); Amazon's server,
which tests of several writers have it stand in for, does both at once.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main

_LOCK = threading.Lock()
_put_object = S3Response.put_object


def _put_alone(self: S3Response) -> Any:
    with _LOCK:
        return _put_object(self)


if __name__ == "__main__":
    S3Response.put_object = _put_alone  # type: ignore[method-assign]
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])

"""Serves moto on a free port of the loopback interface, and says on standard error which operations it answered with
success: `called service:Operation`, by the services' names in credential scopes."""

import sys

from moto.core.responses import BaseResponse
from moto.server import main

SCOPES = {"efs": "elasticfilesystem"}


def _telling(call_action):
    def told(self):
        status, headers, body = call_action(self)
        if int(status) < 300:
            service = SCOPES.get(self.service_name, self.service_name)
            print(f"called {service}:{self._get_action()}", file=sys.stderr, flush=True)
        return status, headers, body

    return told


if __name__ == "__main__":
    BaseResponse.call_action = _telling(BaseResponse.call_action)
    main(["-H", "127.0.0.1", "-p", "0"])

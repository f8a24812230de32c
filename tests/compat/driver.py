"""Runs beside the official SDK, in its environment: calls functions that arrive on stdin and answers with plain data.

One JSON object a line. In: `source` and `name` of a function, or an `endpoint`; and `arguments`. Out: `value`, or
`error` with the type, the text and, of an error of the API, its codes. What the SDK prints goes to the log, not into
the answers. Standard library and the official package only: nothing of ours is imported here.
"""

import __future__

import datetime
import enum
import json
import os
import sys
import traceback


def plain(value):
    """What a client's object holds, as JSON knows it; typed answers go through the client's own classes."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    response = getattr(value, "__dict__", {}).get("response")
    if response is not None:  # an answer that is no entity, or a list of entities
        return plain(response if isinstance(response, (list, tuple)) else response.to_dict())
    if hasattr(value, "data") and hasattr(value.data, "to_dict"):
        return plain(value.data.to_dict())
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if hasattr(value, "fetch"):  # an entity that was just made: the client knows its id alone
        return {"id": value.id}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"no plain form of {value!r}")


class Refused(Exception):
    """An untyped call was answered with an error."""

    def __init__(self, meta):
        super().__init__(meta["result_msg"])
        self.code, self.subcode, self.data = meta["result_code"], meta["result_subcode"], meta.get("error_data")


def raw(session, service, action, body):
    """What the typed calls cannot say, sent by the client's session: login, headers, retries are the client's."""
    answer = session.send_request(service, action, json=body).json()
    if answer["meta"]["result_code"] != 200:
        raise Refused(answer["meta"])
    return answer["data"]


def failure(error):
    return {
        "type": type(error).__name__,
        "text": str(error),
        "code": getattr(error, "code", None),
        "subcode": getattr(error, "subcode", None),
        "data": plain(getattr(error, "data", None) or {}),
        "traceback": "\n".join(
            f"  {frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ),
    }


def main():
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    from clearml.backend_api.session.client import APIClient

    client = APIClient()
    for line in requests:
        request = json.loads(line)
        try:
            service, _, action = request.get("endpoint", "").partition(".")
            if request.get("is_raw"):
                value = raw(client.session, service, action, request["arguments"])
            elif service:
                value = getattr(getattr(client, service), action)(**request["arguments"])
            else:
                scope = {"client": client}
                exec(compile(request["source"], request["name"], "exec", __future__.annotations.compiler_flag), scope)
                value = scope[request["name"]](*request["arguments"])
            answer = {"value": plain(value)}
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to see it
            answer = {"error": failure(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

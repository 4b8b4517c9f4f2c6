"""Stands in for curl where there is none: the options that the README uses, and no other.

python curl.py -isw '%{http_code}' -X POST URL -H 'Name: value' -d '{}' -o file
"""

import argparse
import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="content")
    parser.add_argument("-o", dest="file", type=Path)
    parser.add_argument("-w", dest="ending", default="")
    return parser.parse_intermixed_args()


def _main() -> None:
    given = _arguments()
    address = urlsplit(given.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=30)
    method = given.method or ("GET" if given.content is None else "POST")
    headers = dict(header.split(": ", 1) for header in given.headers)
    connection.request(method, address.path, given.content and given.content.encode(), headers)
    response = connection.getresponse()
    head = f"HTTP/1.1 {response.status} {response.reason}\n"
    head += "".join(f"{name}: {value}\n" for name, value in response.getheaders()) + "\n"
    body = (head if given.i else "") + response.read().decode()
    if given.file:
        given.file.write_text(body)
    else:
        sys.stdout.write(body)
    sys.stdout.write(given.ending.replace("\\n", "\n").replace("%{http_code}", str(response.status)))


if __name__ == "__main__":
    _main()

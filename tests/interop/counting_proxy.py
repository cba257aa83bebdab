#!/usr/bin/env python3
"""A reverse proxy on loopback that writes down every request, to count what a program asks of a server.

    counting_proxy.py LOG [NAME=]UPSTREAM_PORT...

Prints one line per upstream, the port that it listens on, and serves until its standard input ends. A line of LOG
is `NAME METHOD PATH STATUS`; it is there before the answer is sent, so whoever has the answer may read the log. The
Host header is passed on as it came: docker-registry makes the addresses of its uploads of it, so these lead through
the proxy too.
"""

import http.client
import http.server
import sys
import threading

# Of one connection only.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}


def chunks(stream):
    """The body of a request without a length (RFC 9112, section 7.1)."""
    while size := int(stream.readline().split(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass


def handler(name, upstream, log, lock):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The headers and the body of an answer are two writes: without this, each waits for an acknowledgement.
        disable_nagle_algorithm = True

        def proxy(self):
            if self.headers.get("expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            if "chunked" in self.headers.get("transfer-encoding", "").lower():
                body = b"".join(chunks(self.rfile))
            else:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"expect"}}
            headers["Content-Length"] = str(len(body))
            connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=60)
            try:
                connection.request(self.command, self.path, body=body, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            with lock:
                log.write(f"{name} {self.command} {self.path} {answer.status}\n")
                log.flush()
            self.send_response_only(answer.status, answer.reason)
            for key, value in answer.getheaders():
                if key.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(key, value)
            # An answer to HEAD has the length of what GET would bring, and one of 204 has none.
            length = answer.getheader("content-length") if self.command == "HEAD" else str(len(content))
            if length is not None and answer.status != 204:
                self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = proxy

        def log_message(self, *_):
            pass

    return Handler


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A client that opens a connection for each of many parallel requests must not be refused one.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # A client that goes away ends its connection as it likes; anything else is seen by whoever waits for the answer.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    lock = threading.Lock()
    with open(sys.argv[1], "a", encoding="utf-8") as log:
        for upstream in sys.argv[2:]:
            name, _, port = upstream.rpartition("=")
            server = Server(("127.0.0.1", 0), handler(name or port, int(port), log, lock))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(server.server_address[1], flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()

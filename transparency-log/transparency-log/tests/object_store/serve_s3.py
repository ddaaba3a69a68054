"""An S3 server with one empty bucket, `logs`, that prints its port and serves one request at a time.

With --careless it does not look at what writes are conditional on: nothing may keep a log there.
"""

import sys
import urllib.request
from threading import Thread

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server



def careless(application):
    def answer(environ, start_response):
        for condition in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
            environ.pop(condition, None)
        return application(environ, start_response)

    return answer


application = DomainDispatcherApplication(create_backend_app)
if "--careless" in sys.argv[1:]:
    application = careless(application)
server = make_server("127.0.0.1", 0, application, threaded=False)
serving = Thread(target=server.serve_forever)
serving.start()
credential = "Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
request = urllib.request.Request(
    f"http://127.0.0.1:{server.server_port}/logs",
    method="PUT",
    headers={"Authorization": f"AWS4-HMAC-SHA256 {credential}"},
)
urllib.request.urlopen(request, timeout=30).close()
print(server.server_port, flush=True)
serving.join()

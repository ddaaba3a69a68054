"""An S3 server with one empty bucket, `logs`, that prints its port and serves one request at a time.

With --careless it does not look at what writes are conditional on: nothing may keep a log there. With --tls FOLDER it serves
the same over TLS on a second port, printed behind the first: certified by an authority whose certificate it writes to ca.pem in
that folder. another.pem there is one of the same name and another key.
"""

import datetime
import pathlib
import sys
import urllib.request
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server



def careless(application):
    def answer(environ, start_response):
        for condition in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
            environ.pop(condition, None)
        return application(environ, start_response)

    return answer


def certified(folder):
    """Files of a chain for localhost and of its key."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("Store CA", "localhost")]
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, key, signer, is_ca):
        builder = x509.CertificateBuilder(names[0], names[subject], key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        if not is_ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca, another, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    folder.joinpath("ca.pem").write_bytes(certificate(0, ca, ca, True))
    folder.joinpath("another.pem").write_bytes(certificate(0, another, another, True))
    folder.joinpath("leaf.pem").write_bytes(certificate(1, leaf, ca, False))
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.joinpath("leaf.key").write_bytes(key)
    return str(folder / "leaf.pem"), str(folder / "leaf.key")


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
ports = [server.server_port]
if "--tls" in sys.argv[1:]:
    folder = pathlib.Path(sys.argv[sys.argv.index("--tls") + 1])
    secure = make_server("127.0.0.1", 0, application, threaded=False, ssl_context=certified(folder))
    Thread(target=secure.serve_forever).start()
    ports.append(secure.server_port)
print(*ports, flush=True)
serving.join()

"""aria2 from nginx: parts of a file, and files, side by side; over several paths the same file from each of the server's addresses."""

import os

from wires import free_port

from .certificates import make_certificate
from .mover import Mover, program

CONNECTIONS = 8  # to each address
FILES, FILES_LONG = 8, 32  # side by side: each waits for a round trip


class Aria2(Mover):
    packages = {"aria2c": "aria2", "nginx": "nginx-light"}
    paths = "all"

    def __init__(self, sealed=False):
        self.sealed = sealed
        self.name = "aria2 + nginx" + (", https" if sealed else "")
        if sealed:
            self.packages, self.verified = {**self.packages, "openssl": "openssl"}, "on the wire, by TLS"

    def run(self, trial):
        port, trust = free_port(), []
        seal, listen = "", "".join(f"listen {address}:{port}{' ssl' if self.sealed else ''}; " for address in trial.addresses("src"))
        if self.sealed:
            certificate, key = make_certificate(trial, "src")
            seal, trust = f"ssl_certificate {certificate}; ssl_certificate_key {key};", [f"--ca-certificate={certificate}"]
        scratch, user = trial.scratch, "user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {scratch}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = trial.file("nginx.conf", f"""worker_processes 2; daemon off; pid {scratch}/pid; error_log stderr; {user}
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m; keepalive_requests 1000000; open_file_cache max=1000;
 {temporary}
 server {{ {listen}{seal} root {trial.source}; }} }}
""")
        trial.server("src", port, program("nginx"), "-e", "stderr", "-c", config)
        files = FILES_LONG if trial.wire.is_long else FILES
        trial.timed("dst", "aria2c", "-q", "--no-conf", *trust, "-i", self.list(trial, port), "-d", trial.target, "-x", CONNECTIONS,
                    "-s", CONNECTIONS * len(trial.wire.paths), "-j", files, "-k", "1M", "--file-allocation=none", "--disk-cache=64M",
                    "--auto-file-renaming=false")
        return trial.target

    def list(self, trial, port):
        scheme, lines = "https" if self.sealed else "http", []
        for parent, _, files in os.walk(trial.source):
            for name in files:
                path = os.path.relpath(os.path.join(parent, name), trial.source)
                lines += ["\t".join(f"{scheme}://{address}:{port}/{path}" for address in trial.addresses("src")), f"  out={path}"]
        return trial.file("list", "\n".join(lines) + "\n")

"""globus-url-copy and its server. In clear it admits anybody; sealed (-dcpriv) both sides have certificates of one authority."""

import os

from wires import free_port

from .mover import Mover, program

AUTHORITY, HOST = "/O=bench/CN=authority", "/O=bench/CN=host"


class GridFtp(Mover):
    packages = {"globus-url-copy": "globus-gass-copy-progs", "globus-gridftp-server": "globus-gridftp-server-progs"}

    def __init__(self, sealed=False):
        self.sealed = sealed
        self.name = "GridFTP" + (", -dcpriv" if sealed else "")
        if sealed:
            self.packages, self.verified = {**self.packages, "openssl": "openssl"}, "on the wire, by GSI"

    def run(self, trial):
        # Small files are fetched, all else is put: each the faster way. Buffers of a fixed size keep the kernel from fitting them to a long path.
        fetch = trial.workload.many_small
        server_end, client_end = ("src", "dst") if fetch else ("dst", "src")
        flags = ["-fast", "-pp", "-bs", "1M", *self.measure(trial.wire.is_long, fetch)]
        address, port = trial.address(server_end), free_port()
        serve, env, scheme = self.admit(trial, address)
        trial.server(server_end, port, program("globus-gridftp-server"), *serve, "-control-interface", address, "-data-interface", address,
                     "-p", port, "-home-dir", "/", env={**env, "GLOBUS_HOSTNAME": address})
        remote = f"{scheme}://{address}:{port}"
        way = (f"{remote}{trial.source}/", f"file://{trial.target}/") if fetch else (f"file://{trial.source}/", f"{remote}{trial.target}/")
        if self.sealed:
            flags += ["-dcpriv", "-s", HOST]
        trial.timed(client_end, "globus-url-copy", "-q", "-r", "-cd", *flags, *way, env={**env, "GLOBUS_HOSTNAME": trial.address(client_end)})
        return trial.target

    def measure(self, is_long, fetch):
        """How many files side by side (-cc), connections for each (-p), and their buffers."""
        if is_long:
            return ["-cc", "8", "-p", "1"] if fetch else ["-cc", "2", "-p", "8"]
        return ["-cc", "4", "-p", "1"] if fetch else ["-cc", "2", "-p", "1", "-tcp-bs", "4M"]

    def admit(self, trial, address):
        """(words for the server, environment of both sides, scheme of the address)."""
        root = ["-allow-root"] if os.geteuid() == 0 else []
        if not self.sealed:
            return ["-aa", *(["-anonymous-user", "root"] if root else []), *root], {"GLOBUS_LOCATION": "/usr"}, "ftp"
        certificate, key, authority = self.certificates(trial)
        user = trial.tool("id", "-un").strip()
        return root, {"GLOBUS_LOCATION": "/usr", "X509_CERT_DIR": authority, "X509_USER_CERT": certificate, "X509_USER_KEY": key,
                      "X509_USER_PROXY": self.proxy(trial, certificate, key),
                      "GRIDMAP": trial.file("gridmap", f'"{HOST}" {user}\n')}, "gsiftp"

    def proxy(self, trial, certificate, key):
        """Certificate and key in one file, as a client finds them without asking for a passphrase."""
        both = ""
        for name in (certificate, key):
            with open(name, encoding="ascii") as file:
                both += file.read()
        path = trial.file("proxy.pem", both)
        os.chmod(path, 0o600)
        return path

    def certificates(self, trial):
        """(certificate, key, directory of the authority). One certificate is for both sides."""
        directory = trial.file("authority")
        os.makedirs(directory)
        root, root_key = trial.file("root.pem"), trial.file("root.key")
        trial.tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", AUTHORITY, "-keyout", root_key, "-out", root)
        certificate, key, request = trial.file("host.pem"), trial.file("host.key"), trial.file("host.csr")
        trial.tool("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", HOST, "-keyout", key, "-out", request)
        trial.tool("openssl", "x509", "-req", "-in", request, "-CA", root, "-CAkey", root_key, "-CAcreateserial", "-days", "2", "-out", certificate)
        os.chmod(key, 0o600)
        for kind in ("-subject_hash", "-subject_hash_old"):
            name = trial.tool("openssl", "x509", "-noout", kind, "-in", root).strip()
            with open(root, encoding="ascii") as file:
                trial.file(f"authority/{name}.0", file.read())
            trial.file(f"authority/{name}.signing_policy", f"access_id_CA X509 '{AUTHORITY}'\npos_rights globus CA:sign\n"
                                                           "cond_subjects globus '\"*\"'\n")
        return certificate, key, directory

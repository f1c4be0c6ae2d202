"""Certificates for one run: made by openssl, thrown away with it."""


def make_certificate(trial, end):
    """(certificate, key) of a server at one end, in files. It stands for itself: clients are told to trust it."""
    certificate, key = trial.file("server.pem"), trial.file("server.key")
    names = ",".join(f"IP:{address}" for address in trial.addresses(end))
    trial.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
               "/CN=bench", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", certificate)
    return certificate, key

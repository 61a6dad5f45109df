"""Client certificates that must not be let in, made with the openssl program."""
import datetime
import pathlib
import subprocess

CONFIG = """
[ca]
default_ca = forged
[forged]
database = {home}/index.txt
new_certs_dir = {home}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = client
[any]
commonName = supplied
organizationalUnitName = optional
organizationName = optional
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[req]
distinguished_name = none
[none]
"""
DAY = datetime.timedelta(days=1)


class Forger:
    """Has the installation's CA, as an operator could misuse it, and a CA of a stranger."""

    def __init__(self, home, data):
        self.home = pathlib.Path(home)
        self.home.mkdir()
        (self.home / "index.txt").touch()
        self.config = self.home / "openssl.cnf"
        self.config.write_text(CONFIG.format(home=self.home))
        self.key = self.home / "device.key"
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                     self.key)
        self.ours = data / "ca/ca.crt", data / "ca/ca.key"
        self.strange = self.home / "strange.crt", self.home / "strange.key"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-config", self.config, "-extensions", "root", "-subj",
                     "/CN=Endcap CA", "-keyout", self.strange[1], "-out", self.strange[0])

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def subject(self, device, store):
        return f"/O={store}/OU={'cart' if device.startswith('CART') else 'label'}/CN={device}"

    def sign(self, device, store, by, since, until):
        """(certificate, key) files."""
        made, request = self.home / f"{device}.crt", self.home / "device.csr"
        self.openssl("req", "-new", "-config", self.config, "-key", self.key, "-subj",
                     self.subject(device, store), "-out", request)
        self.openssl("ca", "-batch", "-notext", "-config", self.config, "-cert", by[0], "-keyfile",
                     by[1], "-in", request, "-out", made, "-startdate",
                     since.strftime("%Y%m%d%H%M%SZ"), "-enddate", until.strftime("%Y%m%d%H%M%SZ"))
        return made, self.key

    def make(self, flaw, device, store, rng):
        now = datetime.datetime.now(datetime.timezone.utc)
        some = datetime.timedelta(seconds=rng.randint(60, 300 * 86400))
        if flaw == "expired":
            return self.sign(device, store, self.ours, now - some - DAY, now - some)
        if flaw == "not yet valid":
            return self.sign(device, store, self.ours, now + some, now + some + DAY)
        if flaw == "of a stranger":
            return self.sign(device, store, self.strange, now - DAY, now + DAY)
        assert flaw == "self-signed"
        made = self.home / f"{device}.crt"
        self.openssl("req", "-x509", "-config", self.config, "-extensions", "client", "-key",
                     self.key, "-subj", self.subject(device, store), "-days", "30", "-out", made)
        return made, self.key

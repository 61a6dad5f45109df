"""What this machine could do at best: the parts of which the label targets' baselines are made."""
import json
import os
import re
import subprocess
import time

FSYNCS = 200
ROWS = 10000
PASSAGES = 30000


def openssl_us():
    """Microseconds of one P-256 signature, one check and one key agreement on one core."""
    done = subprocess.run(["openssl", "speed", "-seconds", "1", "ecdsap256", "ecdhp256"],
                          capture_output=True, text=True, check=True)
    sign, verify = re.search(r"ecdsa \(nistp256\)\s+\S+s\s+\S+s\s+(\S+)\s+(\S+)",
                             done.stdout).groups()
    agree = re.search(r"ecdh \(nistp256\)\s+\S+s\s+(\S+)", done.stdout).group(1)
    return 1e6 / float(sign), 1e6 / float(verify), 1e6 / float(agree)


def fsync_ms(home):
    """Median of appending 4 KB and making it durable."""
    took = []
    path = home / "fsync"
    with open(path, "wb", buffering=0) as file:
        for _ in range(FSYNCS):
            begun = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - begun) * 1000)
    path.unlink()
    return sorted(took)[FSYNCS // 2]


def row_us(world):
    """Of changing a row of a small table with one index, 10,000 in a statement, committed; on the
    installation's own PostgreSQL."""
    world.sql(f"CREATE UNLOGGED TABLE bench_floor (id integer PRIMARY KEY, n integer); "
              f"ALTER TABLE bench_floor SET LOGGED; INSERT INTO bench_floor SELECT i, 0 FROM "
              f"generate_series(1, {ROWS}) i")
    took = []
    for _ in range(5):
        begun = time.monotonic()
        world.sql("UPDATE bench_floor SET n = n + 1")
        took.append((time.monotonic() - begun) * 1e6 / ROWS)
    world.sql("DROP TABLE bench_floor")
    return min(took)


def broker(world):
    """Of a bare broker with the same mutual TLS: endcap-bench --floor."""
    done = subprocess.run([world.build / "prog/bench/endcap-bench", "--floor", "--messages",
                           str(PASSAGES)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(world):
    sign, verify, agree = openssl_us()
    return {"sign_us": sign, "verify_us": verify,
            # each side: its key agreement (a key and a product), its signature, two chains' checks
            "handshake_cpu_us": sign + 2 * verify + 2 * agree,
            "fsync_ms": fsync_ms(world.home), "row_us": row_us(world), **broker(world)}

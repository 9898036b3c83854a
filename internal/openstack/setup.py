"""Makes the rings and Keystone's database of a server, where its configuration lies.

Usage: setup.py rings FOLDER ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT
       setup.py keystone CONFIG DATABASE PASSWORD REGION URL
"""
import os
import sys


def rings(folder, *ports):
    from swift.common.ring import RingBuilder
    for name, port in zip(("account", "container", "object"), map(int, ports)):
        builder = RingBuilder(4, 1, 0)
        builder.add_dev({
            "id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk", "weight": 1, "meta": "",
            "replication_ip": "127.0.0.1", "replication_port": port,
        })
        builder.rebalance()
        builder.get_ring().save(os.path.join(folder, name + ".ring.gz"))


def keystone(config, database, password, region, url):
    import sqlite3
    from keystone.cmd import cli  # takes two seconds, more than all the rest

    def manage(*args):
        # A process takes one command: the import is shared by a fork.
        child = os.fork()
        if child == 0:
            cli.main(argv=["keystone-manage", "--config-file", config] + list(args))
            sys.stderr.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            sys.exit("keystone-manage %s: exit status %d" % (args[0], status))

    manage("db_sync")
    # Else a reader that meets a writer is refused: "database is locked".
    sqlite3.connect(database).execute("pragma journal_mode=wal")
    manage("bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", region,
           "--bootstrap-public-url", url, "--bootstrap-internal-url", url)


{"rings": rings, "keystone": keystone}[sys.argv[1]](*sys.argv[2:])

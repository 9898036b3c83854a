"""Runs a program of Swift that does not wait for the disk, as PostgreSQL without fsync.

Usage: run.py PROGRAM ARGUMENT...
"""
import os
import runpy
import sys

from swift.common import db

os.fsync = os.fdatasync = lambda _: None
connect = db.get_db_connection


def connect_without_sync(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.execute("pragma synchronous=off")
    return connection


db.get_db_connection = connect_without_sync
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")

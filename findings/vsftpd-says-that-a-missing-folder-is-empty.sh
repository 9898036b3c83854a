#!/usr/bin/env bash
# The list of a folder that does not exist is empty, with no error; so is a walk below it.
#
# Expected: 550 and an error, as from other servers. Instead: vsftpd opens the data connection, sends nothing and ends
# with 226, as for an empty folder.
# Versions: vsftpd 3.0.3, github.com/jlaffaye/ftp v0.2.4.
# For a host: a mistyped root, or one whose disk is not mounted, looks like a share from which all files were
# deleted, and a two-way sync deletes the other side. Look for the folder itself (CWD is 550) before believing its list.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir"
apt-get download vsftpd >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
dpkg -x vsftpd_*.deb deb
mkdir -p root/empty root/full none
touch root/full/file
for _ in {1..5}; do
	port=$((20000 + RANDOM % 12000))
	cat >vsftpd.conf <<-EOF
		listen=YES
		listen_address=127.0.0.1
		listen_port=$port
		background=NO
		anonymous_enable=YES
		no_anon_password=YES
		local_enable=NO
		anon_root=$dir/root
		ftp_username=daemon
		secure_chroot_dir=$dir/none
		seccomp_sandbox=NO
		xferlog_enable=NO
	EOF
	deb/usr/sbin/vsftpd vsftpd.conf >server.log 2>&1 &
	server=$!
	for _ in {1..50}; do
		kill -0 "$server" 2>/dev/null || continue 2
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break 2
		sleep 0.1
	done
done
export ADDRESS=127.0.0.1:$port GOFLAGS=-mod=mod
go mod init finding
go get github.com/jlaffaye/ftp@v0.2.4
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/jlaffaye/ftp"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	conn, err := ftp.Dial(os.Getenv("ADDRESS"))
	must(err)
	must(conn.Login("anonymous", ""))
	for _, folder := range []string{"/full", "/empty", "/missing", "/missing/too"} {
		entries, list := conn.List(folder)
		walked := 0
		walk := conn.Walk(folder)
		for walk.Next() {
			walked++
		}
		fmt.Printf("%s: list: %d, %v; walk: %d, %v; CWD: %v\n", folder, len(entries), list, walked, walk.Err(), conn.ChangeDir(folder))
	}
	must(conn.Quit())
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
/full: list: 1, <nil>; walk: 1, <nil>; CWD: <nil>
/empty: list: 0, <nil>; walk: 0, <nil>; CWD: <nil>
/missing: list: 0, <nil>; walk: 0, <nil>; CWD: 550 "Failed to change directory."
/missing/too: list: 0, <nil>; walk: 0, <nil>; CWD: 550 "Failed to change directory."
SEEN

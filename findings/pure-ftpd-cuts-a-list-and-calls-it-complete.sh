#!/usr/bin/env bash
# A folder of 10,050 files has 9,998, by the client's list as by its walk, without an error.
#
# Expected: the server lists all, or ends with an error code that the client passes on. Instead: pure-ftpd stops at
# 10,000 names ("." and ".." count) and ends with 226, the code of success, after the words "Output truncated to 10000
# matches". The client looks at the code alone.
# Versions: pure-ftpd 1.0.50, github.com/jlaffaye/ftp v0.2.4.
# For a host: what a list does not show is not missing. A clean-up that compares lists deletes what it must not;
# spread chunks over folders of a few hundred names. (The server's option -L raises the number.)
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
chmod 755 "$dir"
cd "$dir"
apt-get download pure-ftpd pure-ftpd-common >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
for deb in *.deb; do dpkg -x "$deb" deb; done
printf 'ann:%s:65534:65534::%s/home/./::::::::::::\n' "$(openssl passwd -6 secret)" "$dir" >users
deb/usr/bin/pure-pw mkdb users.pdb -f users
mkdir home
(cd home && seq -f '%05.0f' 1 10050 | xargs touch)
chown -R 65534:65534 home
for _ in {1..5}; do
	port=$((20000 + RANDOM % 12000))
	deb/usr/sbin/pure-ftpd -l "puredb:$dir/users.pdb" -S "127.0.0.1,$port" -A -H -f none >server.log 2>&1 &
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
	"bytes"
	"fmt"
	"log"
	"os"
	"regexp"

	"github.com/jlaffaye/ftp"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	var talk bytes.Buffer
	conn, err := ftp.Dial(os.Getenv("ADDRESS"), ftp.DialWithDebugOutput(&talk))
	must(err)
	must(conn.Login("ann", "secret"))
	entries, err := conn.List("/")
	fmt.Println("List:", len(entries), "entries with . and .., error:", err)
	files := 0
	walk := conn.Walk("/")
	for walk.Next() {
		files++
	}
	fmt.Println("Walk:", files, "entries, error:", walk.Err())
	must(conn.Quit())
	fmt.Printf("the server said: %s\n", regexp.MustCompile(`226.*matches`).Find(talk.Bytes()))
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
List: 10000 entries with . and .., error: <nil>
Walk: 9998 entries, error: <nil>
the server said: 226 Output truncated to 10000 matches
SEEN

#!/usr/bin/env bash
# One member with a new (post-quantum) age key, and a file can no longer be encrypted to the members together.
#
# Expected: age encrypts a file to any number of recipients of any public key kind, so members move to the new hybrid
# keys one by one. Instead: Encrypt refuses a list that holds a hybrid and an X25519 recipient; each kind alone works.
# Version: filippo.io/age v1.3.2.
# For a host: a shared folder's key cannot be sealed with one call for all members while keys are being changed.
# Seal it for each member apart, or let all members change at once.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get filippo.io/age@v1.3.2
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
	"log"

	"filippo.io/age"
)

func main() {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		log.Fatal(err)
	}
	try := func(name string, to ...age.Recipient) {
		_, err := age.Encrypt(io.Discard, to...)
		fmt.Printf("%s: %v\n", name, err)
	}
	try("two classic", classic.Recipient(), classic.Recipient())
	try("two hybrid", hybrid.Recipient(), hybrid.Recipient())
	try("one of each", classic.Recipient(), hybrid.Recipient())
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
two classic: <nil>
two hybrid: <nil>
one of each: incompatible recipients: can't mix post-quantum and classic recipients, or the file would be vulnerable to quantum computers
SEEN

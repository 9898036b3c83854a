package ftp

import (
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"github.com/stacksync/stacksync-go"
)

// hashOf returns what crypt(3) checks a secret by: that of Linux (libxcrypt) and of the BSDs takes bcrypt's. Secrets are long and random, so
// it need not be slow, and the server does it at each login.
func hashOf(secret stacksync.Secret) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		return "", fmt.Errorf("hash the secret: %w", err)
	}
	return string(hash), nil
}

// matches tells whether a hash is by hashOf, and of this secret.
func matches(hash string, secret stacksync.Secret) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(secret)) == nil
}

//go:build unix

package swift_test

import (
	"testing"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/backendtest"
	"github.com/stacksync/stacksync-go/backend/swift"
	"github.com/stacksync/stacksync-go/internal/testsize"
)

func TestConformance(t *testing.T) {
	server := sharedServer(t)
	// SecretBound: memcached, which keeps what Keystone said of a token, counts by ticks of a second.
	backendtest.Run(t, backendtest.Suite{
		New: func(t backendtest.T) backendtest.Instance {
			c := configOf(server)
			c.Prefix, c.Listings, c.Origins = "test-", true, origins
			c.Signing, c.Accounts = &swift.Signing{Keys: []stacksync.Secret{masterKey}}, accountsOf(server, "test-")
			reopen := func() stacksync.StorageProvisioner { return open(t, c) }
			return backendtest.Instance{Storage: reopen(), Reopen: reopen, Dial: dial}
		},
		Signs: true, Origins: origins, Accounts: true, SecretBound: 3 * tokenCache, Many: testsize.Of(1_500, 0), // Swift takes more than a minute to store 10,000
		Skips: map[string]string{
			"SignedPutSize":             "a temporary URL does not bind the length",
			"SignedPutContent":          "a temporary URL does not bind the content",
			"SignedPutAltered":          "a temporary URL binds no header, so not If-None-Match",
			"SignedPutMissingContainer": "the key goes with the container: Swift answers 401, not 404",
			"SignedPutLate":             "the key goes with the container: Swift answers 401, not 404",
		},
	})
}

const masterKey stacksync.Secret = "a master key for tests, which is long enough"

// origins are those of web sites whose pages may send signed requests.
var origins = []string{"https://app.example.com", "http://localhost:8080"}

package swift_test

import (
	"context"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/swift"
)

func Example() {
	ctx := context.Background()
	storage, err := swift.Open(ctx, swift.Config{
		AuthURL:  os.Getenv("OS_AUTH_URL"),
		Username: os.Getenv("OS_USERNAME"),
		Password: stacksync.Secret(os.Getenv("OS_PASSWORD")),
		Project:  os.Getenv("OS_PROJECT_NAME"),
		Prefix:   "sync-",
		Signing:  &swift.Signing{Keys: []stacksync.Secret{stacksync.Secret(os.Getenv("SYNC_SIGNING_KEY"))}},
		Accounts: &swift.Accounts{Prefix: "sync-", Project: "sync-users", Role: "sync-user"},
	})
	if err != nil {
		panic(err)
	}
	defer storage.Close()
	// Hand storage to the service.
}

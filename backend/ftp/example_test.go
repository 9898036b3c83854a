package ftp_test

import (
	"context"
	"log"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

func Example() {
	storage, err := ftp.Open(context.Background(), ftp.Config{
		Addr:     "ftp.example.com:21",
		User:     "stacksync",
		Password: stacksync.Secret(os.Getenv("FTP_PASSWORD")),
		Folder:   "/workspaces",
		// For users with accounts of their own; leave it out where all content goes through the host.
		Accounts: ftp.ProFTPD{Users: "/etc/proftpd/stacksync.passwd", UID: 10001, GID: 10001},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer storage.Close()
	// Hand storage to the service: service.Config{Storage: storage}.
}

package s3_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

func Example() {
	storage, err := s3.New(s3.Config{
		Endpoint: "s3.eu-central-1.amazonaws.com", Region: "eu-central-1", Bucket: "example-chunks",
		AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	})
	if err != nil {
		panic(err)
	}
	defer storage.Close()

	// The service does what follows; a host only opens and closes the storage.
	r, err := storage.SignChunks(context.Background(), stacksync.SignChunksParams{
		Container: "photos", Method: stacksync.Put, Chunks: []stacksync.Chunk{{Name: "greeting", Size: 5}}, Lifetime: time.Hour,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Requests[0].Method, r.Requests[0].Header)
	// Output: PUT map[If-None-Match:*]
}

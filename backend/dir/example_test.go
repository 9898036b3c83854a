package dir_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/dir"
)

func Example() {
	ctx := context.Background()
	parent, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(parent) }()

	storage, err := dir.Open(ctx, filepath.Join(parent, "chunks"), dir.Config{})
	if err != nil {
		panic(err)
	}
	defer storage.Close()

	// The service does what follows; a host only opens and closes the storage.
	if _, err := storage.CreateContainer(ctx, stacksync.CreateContainerParams{Container: "photos"}); err != nil {
		panic(err)
	}
	_, err = storage.WriteChunk(ctx, stacksync.WriteChunkParams{
		Container: "photos", Chunk: stacksync.Chunk{Name: "greeting", Size: 5}, Content: strings.NewReader("hello"),
	})
	if err != nil {
		panic(err)
	}
	r, err := storage.ReadChunk(ctx, stacksync.ReadChunkParams{Container: "photos", Name: "greeting"})
	if err != nil {
		panic(err)
	}
	defer r.Content.Close()
	content, err := io.ReadAll(r.Content)
	fmt.Println(string(content), r.Size, err)
	// Output: hello 5 <nil>
}

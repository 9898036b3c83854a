package memory_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/memory"
)

func Example() {
	ctx := context.Background()
	storage := memory.New(memory.Config{})

	// The service does what follows; a host only makes the storage.
	if _, err := storage.CreateContainer(ctx, stacksync.CreateContainerParams{Container: "photos"}); err != nil {
		panic(err)
	}
	_, err := storage.WriteChunk(ctx, stacksync.WriteChunkParams{
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

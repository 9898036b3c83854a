package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/stacksync/stacksync-go"
)

// writerCommand as the first argument makes the program the process that is killed.
const writerCommand = "commit-until-killed"

// writer is a device without a folder: it commits what it makes up.
type writer struct {
	service   *server
	kind      *kind
	actor     stacksync.Actor
	workspace stacksync.WorkspaceID
}

// runWriter starts the service and commits, until it is killed. It writes a line for each acknowledged commit.
func runWriter(ctx context.Context, args []string, stdout io.Writer) (err error) {
	if len(args) != 5 {
		return fmt.Errorf("%s is for the quickstart itself", writerCommand)
	}
	kind, err := findKind(args[0])
	if err != nil {
		return err
	}
	device, err := uuid.Parse(args[3])
	if err != nil {
		return err
	}
	workspace, err := uuid.Parse(args[4])
	if err != nil {
		return err
	}
	w := &writer{
		kind:      kind,
		actor:     stacksync.Actor{User: stacksync.UserID(args[2]), Device: stacksync.DeviceID{UUID: device}},
		workspace: stacksync.WorkspaceID{UUID: workspace},
	}
	if w.service, err = startServer(ctx, kind, args[1], slog.New(slog.DiscardHandler), func(string) {}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.service.Close()) }()
	folder := stacksync.Proposal{Item: newItemID(), Version: 1, Name: pictures(w.actor.Device), Kind: stacksync.Folder}
	if err := w.commit(ctx, folder); err != nil {
		return err
	}
	for i := 1; ; i++ {
		name := fmt.Sprintf("picture %04d.txt", i)
		if err := w.save(ctx, folder.Item, name); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(stdout, path.Join(folder.Name, name)); err != nil {
			return err
		}
	}
}

// pictures is the name of the writer's folder: one that no tree has.
func pictures(d stacksync.DeviceID) string { return "camera " + d.String() }

// picture is the content of a picture.
func picture(k *kind, name string) string {
	if k.forgetful {
		return ""
	}
	return strings.Repeat(name+"\n", 100)
}

func newItemID() stacksync.ItemID { return stacksync.ItemID{UUID: uuid.Must(uuid.NewV7())} }

// save uploads and commits a picture.
func (w *writer) save(ctx context.Context, folder stacksync.ItemID, name string) error {
	content := picture(w.kind, name)
	p := stacksync.Proposal{
		Item: newItemID(), Version: 1, Parent: folder, Name: name, Kind: stacksync.File, Size: int64(len(content)), Checksum: hashOf(content),
		ModifiedAt: time.Now(),
	}
	if content != "" {
		chunk := stacksync.Chunk{Name: p.Checksum, Size: p.Size}
		_, err := w.service.UploadChunk(ctx, stacksync.UploadChunkRequest{
			Actor: w.actor, Workspace: w.workspace, Chunk: chunk, Content: strings.NewReader(content),
		})
		if err != nil {
			return err
		}
		p.Chunks = []stacksync.Chunk{chunk}
	}
	return w.commit(ctx, p)
}

func (w *writer) commit(ctx context.Context, p stacksync.Proposal) error {
	res, err := w.service.Commit(ctx, stacksync.CommitRequest{Actor: w.actor, Workspace: w.workspace, Proposals: []stacksync.Proposal{p}})
	if err != nil {
		return err
	}
	return res.Outcomes[0].Err
}

package service_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/stacksync/stacksync-go"
	storage "github.com/stacksync/stacksync-go/backend/memory"
	"github.com/stacksync/stacksync-go/metastore/memory"
	"github.com/stacksync/stacksync-go/notify/local"
	"github.com/stacksync/stacksync-go/service"
)

// newExample makes a service in memory with a user who has two devices.
func newExample(ctx context.Context) (svc *service.Service, home stacksync.WorkspaceID, laptop, phone stacksync.Actor) {
	svc, err := service.New(memory.New(memory.Config{}), service.Config{Storage: storage.New(storage.Config{}), Notifier: local.New(local.Config{})})
	if err != nil {
		log.Fatal(err)
	}
	user, err := svc.PutUser(ctx, stacksync.PutUserRequest{User: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	register := func(name string) stacksync.Actor {
		res, err := svc.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: "ada"}, Name: name})
		if err != nil {
			log.Fatal(err)
		}
		return stacksync.Actor{User: "ada", Device: res.Device.ID}
	}
	return svc, user.User.DefaultWorkspace, register("laptop"), register("phone")
}

// A device uploads a file and commits it; another one reads the change and the content.
func Example() {
	ctx := context.Background()
	svc, home, laptop, phone := newExample(ctx)

	chunk := stacksync.Chunk{Name: "2cf24dba", Size: 5}
	prepared, err := svc.PrepareUpload(ctx, stacksync.PrepareUploadRequest{Actor: laptop, Workspace: home, Chunks: []stacksync.Chunk{chunk}})
	if err != nil {
		log.Fatal(err)
	}
	for _, missing := range prepared.Missing {
		_, err := svc.UploadChunk(ctx, stacksync.UploadChunkRequest{Actor: laptop, Workspace: home, Chunk: missing.Chunk, Content: strings.NewReader("hello")})
		if err != nil {
			log.Fatal(err)
		}
	}
	committed, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: laptop, Workspace: home, Proposals: []stacksync.Proposal{{
		Item: stacksync.NewItemID(), Version: 1, Name: "hello.txt", Kind: stacksync.File,
		Size: chunk.Size, Chunks: []stacksync.Chunk{chunk},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("laptop:", committed.Outcomes[0].Result)

	page, err := svc.Changes(ctx, stacksync.ChangesRequest{Actor: phone, Workspace: home})
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range page.Items {
		fmt.Printf("phone: %s is %s, version %d, %d bytes\n", item.Name, item.Status, item.Version, item.Size)
	}
	if err := svc.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// laptop: committed
	// phone: hello.txt is new, version 1, 5 bytes
}

// Two devices change the same version. The second learns what the server has, and decides.
func ExampleOutcome() {
	ctx := context.Background()
	svc, home, laptop, phone := newExample(ctx)
	commit := func(actor stacksync.Actor, p stacksync.Proposal) stacksync.Outcome {
		res, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: actor, Workspace: home, Proposals: []stacksync.Proposal{p}})
		if err != nil {
			log.Fatal(err)
		}
		return res.Outcomes[0]
	}
	photos := stacksync.Proposal{Item: stacksync.NewItemID(), Version: 1, Name: "photos", Kind: stacksync.Folder}
	commit(laptop, photos)

	photos.Version = 2
	photos.Name = "pictures"
	commit(laptop, photos)
	photos.Name = "images"
	outcome := commit(phone, photos)
	fmt.Println(outcome.Result, errors.Is(outcome.Err, stacksync.ErrVersionConflict))
	fmt.Println("the server has", outcome.Item.Name)
	if err := svc.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// conflict true
	// the server has pictures
}

// Follow first catches up, then waits for what comes.
func ExampleService_Follow() {
	ctx := context.Background()
	svc, home, laptop, phone := newExample(ctx)
	mkdir := func(name string) {
		_, err := svc.Commit(ctx, stacksync.CommitRequest{Actor: laptop, Workspace: home, Proposals: []stacksync.Proposal{
			{Item: stacksync.NewItemID(), Version: 1, Name: name, Kind: stacksync.Folder},
		}})
		if err != nil {
			log.Fatal(err)
		}
	}
	mkdir("while the phone was away")
	live := false
	for page, err := range svc.Follow(ctx, stacksync.FollowRequest{Actor: phone, Workspace: home}) {
		if err != nil {
			log.Fatal(err)
		}
		for _, item := range page.Items {
			fmt.Println(item.Name)
		}
		if live {
			break
		}
		live = true
		mkdir("while it looks")
	}
	if err := svc.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// while the phone was away
	// while it looks
}

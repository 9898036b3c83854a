package local_test

import (
	"context"
	"fmt"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/notify/local"
)

func Example() {
	ctx := context.Background()
	notifier := local.New(local.Config{})
	defer notifier.Close()

	sub, err := notifier.Subscribe(ctx, stacksync.SubscribeParams{Topics: []stacksync.Topic{"workspace/photos", "user/anna"}})
	if err != nil {
		panic(err)
	}
	defer sub.Close()

	// Nobody reads in between, so the three hints about the photos become one.
	for revision := int64(1); revision <= 3; revision++ {
		_, err = notifier.Publish(ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{
			{Topic: "workspace/photos", Revision: revision},
		}})
		if err != nil {
			panic(err)
		}
	}
	_, err = notifier.Publish(ctx, stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "user/anna"}}})
	if err != nil {
		panic(err)
	}

	for range 2 {
		hint, err := sub.Next(ctx)
		if err != nil {
			panic(err)
		}
		fmt.Printf("look at %s, which is at revision %d\n", hint.Topic, hint.Revision)
	}
	// Output:
	// look at workspace/photos, which is at revision 3
	// look at user/anna, which is at revision 0
}

package local

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

// BenchmarkPublish publishes to subscriptions that nobody reads: the hints are merged.
func BenchmarkPublish(b *testing.B) {
	for _, count := range []int{0, 1, 100, 10_000} {
		b.Run(fmt.Sprintf("subscriptions=%d", count), func(b *testing.B) {
			n := New(Config{})
			for range count {
				subscribe(b, n, "a")
			}
			p := stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}}}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = n.Publish(b.Context(), p)
			}
		})
	}
}

// BenchmarkPublishParallel publishes to topics that nobody listens to, as most commits of a large host do.
func BenchmarkPublishParallel(b *testing.B) {
	n := New(Config{})
	subscribe(b, n, "a")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		p := stacksync.PublishParams{Notifications: make([]stacksync.Notification, 1)}
		for i := 0; pb.Next(); i++ {
			p.Notifications[0].Topic = topics[i%len(topics)]
			_, _ = n.Publish(b.Context(), p)
		}
	})
}

var topics = func() []stacksync.Topic {
	topics := make([]stacksync.Topic, 1024)
	for i := range topics {
		topics[i] = topic(i)
	}
	return topics
}()

// BenchmarkDeliver publishes a hint and takes it out of every subscription. x/channel is its time in relation to that of
// sending and receiving the same hints over one bare channel a subscriber, in the same run.
func BenchmarkDeliver(b *testing.B) {
	for _, count := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("subscriptions=%d", count), func(b *testing.B) {
			n := New(Config{})
			subs := make([]stacksync.Subscription, count)
			channels := make([]chan stacksync.Notification, count)
			for i := range count {
				subs[i] = subscribe(b, n, "a")
				channels[i] = make(chan stacksync.Notification, 1)
			}
			p := stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}}}
			compare(b, func() {
				_, _ = n.Publish(b.Context(), p)
				for _, sub := range subs {
					_, _ = sub.Next(b.Context())
				}
			}, func() {
				for _, c := range channels {
					c <- p.Notifications[0]
				}
				for _, c := range channels {
					<-c
				}
			})
		})
	}
}

// BenchmarkWake publishes a hint to subscribers that all wait for it, each in a goroutine of its own, and waits until all
// have it. x/channel is as in BenchmarkDeliver.
func BenchmarkWake(b *testing.B) {
	for _, count := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("subscriptions=%d", count), func(b *testing.B) {
			n := New(Config{})
			channels := make([]chan stacksync.Notification, count)
			var received, readers sync.WaitGroup
			for i := range count {
				sub := subscribe(b, n, "a")
				readers.Go(func() {
					for _, err := sub.Next(b.Context()); err == nil; _, err = sub.Next(b.Context()) {
						received.Done()
					}
				})
				channels[i] = make(chan stacksync.Notification, 1)
				readers.Go(func() {
					for range channels[i] {
						received.Done()
					}
				})
			}
			p := stacksync.PublishParams{Notifications: []stacksync.Notification{{Topic: "a", Revision: 1}}}
			compare(b, func() {
				received.Add(count)
				_, _ = n.Publish(b.Context(), p)
				received.Wait()
			}, func() {
				received.Add(count)
				for _, c := range channels {
					c <- p.Notifications[0]
				}
				received.Wait()
			})
			require.NoError(b, n.Close())
			for _, c := range channels {
				close(c)
			}
			readers.Wait()
		})
	}
}

// BenchmarkSubscribe shows in its B/op what an idle subscription of one topic costs, its share of the audience included.
func BenchmarkSubscribe(b *testing.B) {
	n := New(Config{})
	p := stacksync.SubscribeParams{Topics: []stacksync.Topic{"a"}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = n.Subscribe(b.Context(), p)
	}
}

// compare measures run, and reports its time in relation to that of as many runs of base.
func compare(b *testing.B, run, base func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	took := b.Elapsed()
	begin := time.Now()
	for range b.N {
		base()
	}
	b.ReportMetric(float64(took)/float64(time.Since(begin)), "x/channel")
}

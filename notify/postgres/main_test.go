package postgres

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/internal/pgtest"
)

// On a busy machine the server may take longer than a host would wait.
func TestMain(m *testing.M) {
	sendTimeout, connectTimeout = patience, patience
	pgtest.Main(m)
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// unique returns a channel or an application's name that no other test has.
func unique() string { return "test-" + rand.Text() }

// named puts an application's name into a DSN.
func named(tb testing.TB, dsn, name string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	require.NoError(tb, err)
	query := u.Query()
	query.Set("application_name", name)
	u.RawQuery = query.Encode()
	return u.String()
}

func open(tb testing.TB, c Config) *Notifier {
	tb.Helper()
	n, err := Open(testContext(tb), c)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, n.Close()) })
	return n
}

func subscribe(tb testing.TB, n *Notifier, topics ...stacksync.Topic) stacksync.Subscription {
	tb.Helper()
	sub, err := n.Subscribe(tb.Context(), stacksync.SubscribeParams{Topics: topics})
	require.NoError(tb, err)
	return sub
}

func publish(ctx context.Context, n *Notifier, hints ...stacksync.Notification) error {
	_, err := n.Publish(ctx, stacksync.PublishParams{Notifications: hints})
	return err
}

func next(tb testing.TB, sub stacksync.Subscription) stacksync.Notification {
	tb.Helper()
	hint, err := sub.Next(testContext(tb))
	require.NoError(tb, err)
	return hint
}

// awaitGap reads until there was a gap.
func awaitGap(tb testing.TB, sub stacksync.Subscription) {
	tb.Helper()
	for !next(tb, sub).Gap {
	}
}

// logged is a logger's handler that passes on what is logged at a level and above, with its attributes.
type logged struct {
	level    slog.Level
	messages chan string
}

func newLogged(level slog.Level) logged {
	return logged{level: level, messages: make(chan string, 1000)}
}

func (l logged) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l logged) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l logged) WithGroup(string) slog.Handler                    { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.messages <- text
	return nil
}

// await waits for the next message.
func (l logged) await(tb testing.TB) string {
	tb.Helper()
	select {
	case message := <-l.messages:
		return message
	case <-testContext(tb).Done():
		require.FailNow(tb, "nothing was logged")
		return ""
	}
}

package postgres

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
)

func TestPayloadsCarryAnyHint(t *testing.T) {
	t.Parallel()
	var hints []stacksync.Notification
	for i, topic := range []stacksync.Topic{
		"", " ", ":", "!", "a b", "a:b!c", `'; DROP TABLE users; --`, `"`, `\`, `\'`, "{a,b}", "NULL", "%", "%41", "日本", "\x00\n\x7f", "\xff\xfe", "\ufffd",
		stacksync.Topic(strings.Repeat("x", maxTopic)), stacksync.Topic(strings.Repeat("/", maxTopic/3)),
	} {
		for _, revision := range []int64{0, math.MaxInt64, math.MinInt64} {
			hints = append(hints, stacksync.Notification{Topic: topic, Revision: revision, Gap: i%2 == 1})
		}
	}
	require.NoError(t, checkTopics(hints))
	var decoded []stacksync.Notification
	for _, payload := range encodeHints("O", hints) {
		assert.LessOrEqual(t, len(payload), maxPayload)
		assert.NotContains(t, payload, `'`)
		assert.NotContains(t, payload, `"`)
		assert.NotContains(t, payload, `\`)
		m, err := decode(payload)
		require.NoError(t, err)
		assert.Equal(t, "O", m.origin)
		decoded = append(decoded, m.hints...)
	}
	assert.Equal(t, hints, decoded)
}

func TestPayloadsAreFull(t *testing.T) {
	t.Parallel()
	var hints []stacksync.Notification
	for i := range 1000 {
		hints = append(hints, stacksync.Notification{Topic: stacksync.Topic(fmt.Sprintf("workspace/0198c0de-0000-7000-8000-%012d", i)), Revision: 12345})
	}
	payloads := encodeHints(strings.Repeat("O", 26), hints)
	for _, payload := range payloads[:len(payloads)-1] {
		assert.Greater(t, len(payload), maxPayload-60)
	}
	assert.Equal(t, 7, len(payloads)) //nolint:testifylint // Len would print them all
	assert.Empty(t, encodeHints("O", nil))
}

func TestTooLongTopicIsRefused(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{strings.Repeat("x", maxTopic+1), strings.Repeat("/", maxTopic/3+1), strings.Repeat("\x00", 100_000)} {
		err := checkTopics([]stacksync.Notification{{Topic: "a"}, {Topic: stacksync.Topic(topic)}})
		require.ErrorIs(t, err, stacksync.ErrInvalid)
		assert.ErrorContains(t, err, "Notifications[1].Topic")
	}
}

var strangePayloads = []string{
	"", " ", "hello", "{}", "stacksync", "stacksync/1", "stacksync/1 ", "stacksync/1 O", "stacksync/1 O ", "stacksync/1 O hints", "stacksync/1 O hints ",
	"stacksync/1  hints 1:a", "stacksync/1 O hints 1:a ", "stacksync/1 O hints  1:a", "stacksync/1 O hints 1", "stacksync/1 O hints :a", "stacksync/1 O hints x:a",
	"stacksync/1 O hints 9223372036854775808:a", "stacksync/1 O hints 1:%", "stacksync/1 O hints 1:%zz", "stacksync/1 O probe", "stacksync/1 O probe ",
	"stacksync/1 O other 1:a", "stacksync/2 O hints 1:a", "stacksync/10 O hints 1:a",
}

func TestStrangePayloadsAreRefused(t *testing.T) {
	t.Parallel()
	for _, payload := range strangePayloads {
		_, err := decode(payload)
		require.Error(t, err, "%q", payload)
	}
	m, err := decode(encodeProbe("O", "T"))
	require.NoError(t, err)
	assert.Equal(t, message{origin: "O", probe: "T"}, m)
}

// FuzzDecode: whatever is decoded is encoded and decoded to the same.
func FuzzDecode(f *testing.F) {
	for _, payload := range strangePayloads {
		f.Add(payload)
	}
	f.Add("stacksync/1 O hints 1:a 0!user%2Fanna -5:")
	f.Add("stacksync/1 O probe T")
	f.Fuzz(func(t *testing.T, payload string) {
		m, err := decode(payload)
		if err != nil {
			assert.Equal(t, message{}, m)
			return
		}
		again := message{origin: m.origin}
		if m.probe != "" {
			assert.Empty(t, m.hints)
			again, err = decode(encodeProbe(m.origin, m.probe))
			require.NoError(t, err)
		} else if checkTopics(m.hints) != nil || len(m.origin) > 26 {
			return // a longer payload than the server carries
		}
		for _, p := range encodeHints(m.origin, m.hints) {
			part, err := decode(p)
			require.NoError(t, err)
			again.hints = append(again.hints, part.hints...)
		}
		assert.Equal(t, m, again)
	})
}

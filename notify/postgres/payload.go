package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/stacksync/stacksync-go"
)

// A payload is what one NOTIFY carries: fields between single spaces, the first of which names the format.
//
//	stacksync/1 ORIGIN hints 12:workspace%2F0198… 0!user%2Fanna
//	stacksync/1 ORIGIN probe TOKEN
//
// A hint is its revision, ':' or for a gap '!', and its topic as a path segment of a URL. So a payload is ASCII, whatever
// the encoding of the database, and has neither quotes nor backslashes, whatever the server makes of those.
const (
	format = "stacksync/1"

	kindHints = "hints"
	kindProbe = "probe"
)

// maxPayload is PostgreSQL's limit, in bytes.
const maxPayload = 7999

// message is a decoded payload.
type message struct {
	origin string // the notifier that sent it
	hints  []stacksync.Notification
	probe  string // the token, if it is a probe
}

// appendHint appends the field of one hint.
func appendHint(b []byte, hint stacksync.Notification) []byte {
	b = strconv.AppendInt(b, hint.Revision, 10)
	if hint.Gap {
		b = append(b, '!')
	} else {
		b = append(b, ':')
	}
	return append(b, url.PathEscape(string(hint.Topic))...)
}

// encodeHints packs hints into as few payloads as the order allows. Each hint must have passed checkTopics.
func encodeHints(origin string, hints []stacksync.Notification) []string {
	head := format + " " + origin + " " + kindHints
	var payloads []string
	payload := []byte(head)
	var field []byte
	for _, hint := range hints {
		field = appendHint(field[:0], hint)
		if len(payload)+1+len(field) > maxPayload {
			payloads = append(payloads, string(payload))
			payload = append(payload[:0], head...)
		}
		payload = append(append(payload, ' '), field...)
	}
	if len(payload) == len(head) {
		return payloads
	}
	return append(payloads, string(payload))
}

func encodeProbe(origin, token string) string {
	return format + " " + origin + " " + kindProbe + " " + token
}

// maxTopic is the length of the longest topic that surely fits: as a URL has it, beside the head and a revision.
const maxTopic = maxPayload - 100

// checkTopics refuses hints that no payload can hold.
func checkTopics(hints []stacksync.Notification) error {
	for i, hint := range hints {
		if len(hint.Topic) > maxTopic/3 && len(url.PathEscape(string(hint.Topic))) > maxTopic {
			return &stacksync.FieldError{
				Field:  fmt.Sprintf("Notifications[%d].Topic", i),
				Reason: fmt.Sprintf("is longer than the %d bytes that fit into a notification of PostgreSQL, escaped as in a URL", maxTopic),
			}
		}
	}
	return nil
}

var errPayload = errors.New("not a payload of this version")

// decode reads a payload. It takes all of it or none: anybody may send anything on a channel.
func decode(payload string) (message, error) {
	head, rest, _ := strings.Cut(payload, " ")
	if head != format {
		return message{}, errPayload
	}
	origin, rest, _ := strings.Cut(rest, " ")
	kind, rest, found := strings.Cut(rest, " ")
	switch {
	case origin == "" || !found:
		return message{}, errPayload
	case kind == kindProbe:
		if rest == "" {
			return message{}, errPayload
		}
		return message{origin: origin, probe: rest}, nil
	case kind != kindHints:
		return message{}, errPayload
	}
	m := message{origin: origin, hints: make([]stacksync.Notification, 0, 1+strings.Count(rest, " "))}
	for field := range strings.SplitSeq(rest, " ") {
		hint, err := decodeHint(field)
		if err != nil {
			return message{}, err
		}
		m.hints = append(m.hints, hint)
	}
	return m, nil
}

func decodeHint(field string) (stacksync.Notification, error) {
	i := strings.IndexAny(field, ":!")
	if i < 0 {
		return stacksync.Notification{}, errPayload
	}
	revision, err := strconv.ParseInt(field[:i], 10, 64)
	if err != nil {
		return stacksync.Notification{}, errPayload
	}
	topic, err := url.PathUnescape(field[i+1:])
	if err != nil {
		return stacksync.Notification{}, errPayload
	}
	return stacksync.Notification{Topic: stacksync.Topic(topic), Revision: revision, Gap: field[i] == '!'}, nil
}

package swift

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// StatusError is an answer from Swift or Keystone that is an error. It says neither what was sent nor by whom.
type StatusError struct {
	Method string
	Status int
	// Text is the start of what the answer says, in printable ASCII; it may be empty.
	Text string

	retryAfter time.Duration
	overtaken  bool // a conflict with a request that came later, by Swift's clock
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.Method, e.Status, http.StatusText(e.Status))
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// isStatus reports whether err is an answer with one of these statuses.
func isStatus(err error, statuses ...int) bool {
	var e *StatusError
	if !errors.As(err, &e) {
		return false
	}
	for _, status := range statuses {
		if e.Status == status {
			return true
		}
	}
	return false
}

// statusOf returns the status of an answer; 0 where err is none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}

// clean turns an error of gophercloud's into one of ours: theirs holds the answer's whole text and header.
func clean(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if answer, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err); ok {
		return &StatusError{
			Method: answer.Method, Status: answer.Actual, Text: printable(answer.Body),
			retryAfter: retryAfter(answer.ResponseHeader.Get("Retry-After"), time.Now()),
		}
	}
	if failed, ok := errors.AsType[*gophercloud.ErrUnableToReauthenticate](err); ok { // it unwraps to nothing
		return clean(ctx, failed.ErrReauth)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok { // it names the URL
		return &transportError{fmt.Errorf("%s: %w", strings.ToUpper(sent.Op), sent.Err)}
	}
	_, network := errors.AsType[net.Error](err)
	_, cut := errors.AsType[*json.SyntaxError](err)
	if network || cut || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &transportError{err}
	}
	return err
}

// printable returns the first of a text that may be anything. Swift answers some errors in HTML.
func printable(text []byte) string {
	const most = 200
	var b strings.Builder
	tag := false
	for _, c := range text {
		switch {
		case b.Len() == most:
			return b.String() + "..."
		case c == '<':
			tag = true
		case c == '>' && tag:
			tag = false
		case tag:
		case c > 0x20 && c < 0x7f:
			b.WriteByte(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), " "):
			b.WriteByte(' ')
		}
	}
	return strings.TrimSpace(b.String())
}

// retryAfter reads the header: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

const statusLoginTimeout = 498 // some rate limits, as gophercloud knows them

// temporary reports whether the same request may succeed later.
func temporary(err error) bool {
	if e, ok := errors.AsType[*StatusError](err); ok {
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, statusLoginTimeout:
			return true
		case http.StatusNotImplemented, http.StatusInsufficientStorage:
			return false
		default:
			return e.overtaken || e.Status >= http.StatusInternalServerError
		}
	}
	_, lost := errors.AsType[*transportError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return lost && !untrusted
}

// transportError is a request to which no answer came.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }

// Unwrap returns what went wrong.
func (e *transportError) Unwrap() error { return e.err }

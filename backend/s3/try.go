package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	leastBackoff = 100 * time.Millisecond
	mostBackoff  = 10 * time.Second
	mostWait     = time.Minute
)

// try calls do until it succeeds, fails for good, or has been called Config.Tries times.
//
// The client could try again by itself, but waits no longer than a second and no longer when it is told to (minio-go 7.4.1: retry.go),
// and does not do so with content that is checked on its way.
func (s *Storage) try(ctx context.Context, what string, do func(ctx context.Context) error) error {
	var before error
	for n := 1; ; n++ {
		var h hint
		err := do(context.WithValue(ctx, hintKey{}, &h))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ended(ctx, before)
		}
		if n >= s.cfg.Tries || !canSucceed(err) {
			return describe(err)
		}
		wait := max(backoff(n), h.wait())
		if deadline, ok := ctx.Deadline(); wait > mostWait || ok && time.Until(deadline) < wait {
			return describe(err)
		}
		s.log.DebugContext(ctx, "try again", "request", what, "failed", n, "wait", wait, "error", describe(err))
		select {
		case <-s.sleep(wait):
		case <-ctx.Done():
			return ended(ctx, err)
		}
		before = err
	}
}

func backoff(n int) time.Duration {
	most := mostBackoff
	if n < 8 { // so that it does not overflow
		most = min(leastBackoff<<(n-1), mostBackoff)
	}
	return rand.N(most) //nolint:gosec // it spreads clients, and is no secret
}

func ended(ctx context.Context, before error) error {
	if before == nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w; the try before failed: %w", ctx.Err(), describe(before))
}

// describe adds the code by which the server's documentation knows an error.
func describe(err error) error {
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.Code != "" && !strings.Contains(err.Error(), answer.Code) {
		return fmt.Errorf("%w (%s)", err, answer.Code)
	}
	return err
}

// A final error is not tried again, whatever it wraps.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// canSucceed reports whether it makes sense to send the same request again.
func canSucceed(err error) bool {
	if _, ok := errors.AsType[final](err); ok {
		return false
	}
	if !answered(err) {
		return !badPeer(err) // the network's
	}
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	switch answer.Code {
	case "InternalError", "RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Throttling",
		"ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "BandwidthLimitExceeded", "OperationAborted",
		"ConditionalRequestConflict", "ExpiredToken", "IncompleteBody":
		return true
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, 520:
		return true
	}
	return false
}

// answered reports whether an error is the server's.
func answered(err error) bool {
	_, ok := errors.AsType[minio.ErrorResponse](err)
	return ok
}

// badPeer tells errors that no second try mends: who answers is not the server.
func badPeer(err error) bool {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return unverified || unknown || host || noTLS || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// is reports whether err is the server's and has one of these codes.
func is(err error, codes ...string) bool {
	answer, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if answer.Code == code {
			return true
		}
	}
	return false
}

func isNotImplemented(err error) bool {
	answer, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (answer.Code == minio.NotImplemented || answer.StatusCode == http.StatusNotImplemented)
}

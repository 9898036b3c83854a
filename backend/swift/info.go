package swift

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// info is what the cluster says of itself at /info, which an operator may have turned off.
type info struct {
	known bool
	Swift struct {
		MaxFileSize   int64 `json:"max_file_size"`
		MaxHeaderSize int   `json:"max_header_size"`
		ListingLimit  int   `json:"container_listing_limit"`
	} `json:"swift"`
	BulkDelete *struct {
		MaxDeletes int `json:"max_deletes_per_request"`
	} `json:"bulk_delete"`
	TempURL *struct {
		Methods []string `json:"methods"`
		Digests []string `json:"allowed_digests"`
	} `json:"tempurl"`
}

// askInfo asks for it. Swift's own defaults stand where it is not told.
func (s *Storage) askInfo(ctx context.Context) error {
	u, err := url.Parse(s.url)
	if err != nil {
		return fmt.Errorf("the object store's URL: %w", err)
	}
	at := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/info"}).String()
	err = s.retry(ctx, nil, func(ctx context.Context, _ string) error {
		s.info = info{}
		_, err := s.wire.Request(ctx, http.MethodGet, at, &gophercloud.RequestOpts{JSONResponse: &s.info, OkCodes: []int{http.StatusOK}}) //nolint:bodyclose // gophercloud closes it
		return err
	})
	switch {
	case err == nil:
		s.info.known = true
	case isStatus(err, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed):
		s.log.Warn("Swift does not tell what it can do (/info)", "err", err)
	default:
		return fmt.Errorf("ask Swift what it can do: %w", err)
	}
	i := &s.info.Swift
	orDefault(&i.MaxFileSize, 5<<30+2)
	orDefault(&i.MaxHeaderSize, 8192)
	orDefault(&i.ListingLimit, 10_000)
	return nil
}

// orDefault sets what is not known.
func orDefault[N int | int64](n *N, value N) {
	if *n <= 0 {
		*n = value
	}
}

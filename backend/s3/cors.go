package s3

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7/pkg/cors"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

const (
	corsRule   = "stacksync" // the id of this package's rule; others stay
	corsMaxAge = 3600        // seconds for which a browser need not ask again
)

// SetOrigins implements stacksync.OriginSetter, by a CORS rule of the bucket: that of all containers with Config.Bucket. The bucket's other rules
// stay. It needs the rights s3:GetBucketCORS and s3:PutBucketCORS.
func (s *Storage) SetOrigins(ctx context.Context, p stacksync.SetOriginsParams) (stacksync.SetOriginsResult, error) {
	err := check.SetOrigins(ctx, p)
	if err == nil {
		_, err = s.existing(ctx, p.Container)
	}
	if err == nil {
		err = s.setOrigins(ctx, s.layout.place(p.Container).bucket, p.Origins)
	}
	if s.missing(err) {
		err = missingContainer(p.Container)
	}
	if err != nil {
		return stacksync.SetOriginsResult{}, fmt.Errorf("set the origins of container %.63q: %w", p.Container, err)
	}
	return stacksync.SetOriginsResult{}, nil
}

func (s *Storage) setOrigins(ctx context.Context, bucket string, origins []string) error {
	var present *cors.Config
	err := s.try(ctx, "get CORS rules", func(ctx context.Context) (err error) {
		present, err = s.client.GetBucketCors(ctx, bucket)
		return err
	})
	if err != nil && !is(err, "NoSuchCORSConfiguration") {
		return fmt.Errorf("get the CORS rules of bucket %q: %w", bucket, err)
	}
	var rules []cors.Rule
	if present != nil {
		rules = slices.DeleteFunc(present.CORSRules, func(r cors.Rule) bool { return r.ID == corsRule })
		if len(origins) == 0 && len(rules) == len(present.CORSRules) {
			return nil
		}
	}
	if len(origins) > 0 {
		rules = append(rules, cors.Rule{
			ID: corsRule, AllowedOrigin: origins, AllowedMethod: []string{http.MethodGet, http.MethodHead, http.MethodPut},
			// A browser asks for each header that a page sets, and for Content-Type where the content is a Blob that has one.
			AllowedHeader: []string{headerNoReplace, headerSHA256, "Content-Type"},
			ExposeHeader:  []string{"ETag", "Retry-After"}, MaxAgeSeconds: corsMaxAge,
		})
	}
	var wanted *cors.Config // nil removes them
	if len(rules) > 0 {
		wanted = cors.NewConfig(rules)
	}
	err = s.try(ctx, "set CORS rules", func(ctx context.Context) error { return s.client.SetBucketCors(ctx, bucket, wanted) })
	if err != nil {
		return fmt.Errorf("set the CORS rules of bucket %q: %w", bucket, err)
	}
	return nil
}

var _ stacksync.OriginSetter = (*Storage)(nil)

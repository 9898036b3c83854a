package s3_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := s3.Config{Endpoint: "s3.example.com", AccessKey: "a", SecretKey: "s", Bucket: "bucket"}
	for _, endpoint := range []string{"s3.example.com", "s3.example.com:9000", "https://s3.example.com", "http://127.0.0.1:7070", "http://[::1]:7070/", "[::1]:7070"} {
		c := good
		c.Endpoint = endpoint
		_, err := s3.New(c)
		require.NoError(t, err, endpoint)
	}
	for _, test := range []struct {
		field  string
		change func(c *s3.Config)
	}{
		{"Endpoint", func(c *s3.Config) { c.Endpoint = "" }},
		{"Endpoint", func(c *s3.Config) { c.Endpoint = "ftp://host" }},
		{"Endpoint", func(c *s3.Config) { c.Endpoint = "https://host/path" }},
		{"Endpoint", func(c *s3.Config) { c.Endpoint = "https://user:password@host" }},
		{"Endpoint", func(c *s3.Config) { c.Endpoint, c.Insecure = "https://host", true }},
		{"ClientEndpoint", func(c *s3.Config) { c.ClientEndpoint = "a b" }},
		{"AccessKey", func(c *s3.Config) { c.AccessKey = "" }},
		{"AccessKey", func(c *s3.Config) { c.SecretKey = "" }},
		{"Bucket", func(c *s3.Config) { c.Bucket = "" }},
		{"Bucket", func(c *s3.Config) { c.BucketPrefix = "both" }},
		{"Bucket", func(c *s3.Config) { c.Bucket = "UPPER" }},
		{"Prefix", func(c *s3.Config) { c.Prefix = "../" }},
		{"Prefix", func(c *s3.Config) { c.Prefix = "/a" }},
		{"Prefix", func(c *s3.Config) { c.Prefix = "a//b" }},
		{"Prefix", func(c *s3.Config) { c.Prefix = strings.Repeat("a", 201) }},
		{"Prefix", func(c *s3.Config) { c.Bucket, c.BucketPrefix, c.Prefix = "", "p-", "x" }},
		{"BucketPrefix", func(c *s3.Config) { c.Bucket, c.BucketPrefix = "", "a" }},
		{"BucketPrefix", func(c *s3.Config) { c.Bucket, c.BucketPrefix = "", "-ab" }},
		{"BucketPrefix", func(c *s3.Config) { c.Bucket, c.BucketPrefix = "", "xn--a" }},
		{"BucketPrefix", func(c *s3.Config) { c.Bucket, c.BucketPrefix = "", strings.Repeat("a", 31) }},
		{"Parallel", func(c *s3.Config) { c.Parallel = -1 }},
		{"Tries", func(c *s3.Config) { c.Tries = 101 }},
		{"Origins[1]", func(c *s3.Config) { c.Origins = []string{"*", "example.com"} }},
		{"ClockMargin", func(c *s3.Config) { c.ClockMargin = -1 }},
		{"ClockMargin", func(c *s3.Config) { c.ClockMargin = 16 * time.Minute }},
	} {
		c := good
		test.change(&c)
		_, err := s3.New(c)
		var fe *stacksync.FieldError
		require.ErrorAs(t, err, &fe, "%+v", c)
		require.Equal(t, test.field, fe.Field)
		require.ErrorIs(t, err, stacksync.ErrInvalid)
	}
}

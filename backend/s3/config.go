package s3

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/internal/check"
)

// Config configures a Storage. Endpoint, the keys or Credentials, and one of Bucket and BucketPrefix must be set.
type Config struct {
	// Endpoint is where the server is: host, host:port, or a URL of these, https://host:port.
	Endpoint string
	// Region is where the buckets are. Defaults to us-east-1, which most servers but Amazon's are content with.
	Region string
	// AccessKey and SecretKey sign the requests.
	AccessKey string
	SecretKey stacksync.Secret
	// Credentials give keys that change, in place of AccessKey and SecretKey: those of an instance's role, say. What is signed with them
	// is good no longer than they are.
	Credentials *credentials.Credentials

	// Bucket is the one bucket of all containers. It must exist.
	Bucket string
	// Prefix starts the key of each object in Bucket: "sync/". Defaults to none. At most 200 characters.
	Prefix string
	// BucketPrefix starts the name of each container's bucket, in place of Bucket: "acme-sync-". 2 to 30 characters of a-z, 0-9 and "-";
	// the first is no "-". Since all users of a server share the names of buckets, have one that nobody else has.
	BucketPrefix string

	// Insecure turns TLS off, also by an Endpoint of http://. For a server on the same machine.
	Insecure bool
	// RootCAs are who may vouch for the server. Defaults to the system's. Not used with a Transport.
	RootCAs *x509.CertPool
	// Transport sends the requests. It must not try again, nor follow redirects, by itself. Defaults to one that gives up on a peer that
	// takes longer than 10 s to connect, 2 minutes to answer, or a minute to take what is sent.
	Transport http.RoundTripper
	// PathStyle puts buckets into the paths of URLs, not into the names of hosts, also with Amazon and others that have names of hosts
	// for buckets. All other servers get paths anyway.
	PathStyle bool
	// ClientEndpoint is where clients find the server, in signed requests and Locate, if not at Endpoint.
	ClientEndpoint string

	// Origins are those of web sites whose pages may send signed requests (CORS): see stacksync.SetOriginsParams. CreateContainer sets the rule
	// of the bucket, which with Bucket it does once in the life of a Storage. Defaults to leaving the rules as they are.
	Origins []string
	// ClockMargin is how far the server's clock may be ahead of this machine's: signed requests are good for that much longer than
	// SignChunks says, as S3 ends them by its own clock. At most 15 minutes: calls are refused where the clocks are farther apart,
	// in either direction. Defaults to 0, for clocks that are kept right.
	ClockMargin time.Duration

	// Parallel is how many requests one call may have under way. Defaults to 16.
	Parallel int
	// Tries is how often a request is sent that could succeed later. Defaults to 8; 1 means that nothing is sent again.
	Tries int
	// Unconditional leaves out If-None-Match: *, for servers that refuse it. A write of a stored chunk then replaces it with the same
	// bytes, and whoever has a signed request for a Put can replace the chunk until that expires.
	Unconditional bool
	// NoChecksums leaves out what follows content over TLS: a CRC32C, as a trailer, by which the server refuses content that was changed
	// or cut off on its way. For servers that do not know trailers. Without TLS the signature covers the content.
	NoChecksums bool
	// Logger is told of tries that failed, and of uploads that could not be aborted. Defaults to none.
	Logger *slog.Logger
}

const (
	defaultRegion   = "us-east-1"
	defaultParallel = 16
	defaultTries    = 8

	mostParallel     = 1_000
	mostTries        = 100
	mostMargin       = 15 * time.Minute
	mostPrefix       = 200
	mostBucketPrefix = 30
)

func field(name, reason string) error { return &stacksync.FieldError{Field: name, Reason: reason} }

// complete checks the settings, and sets those that are left out.
func (c *Config) complete() (*url.URL, error) {
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if c.Parallel == 0 {
		c.Parallel = defaultParallel
	}
	if c.Tries == 0 {
		c.Tries = defaultTries
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Credentials == nil {
		if c.AccessKey == "" || c.SecretKey == "" {
			return nil, field("AccessKey", "and SecretKey are needed, or Credentials")
		}
		c.Credentials = credentials.NewStaticV4(c.AccessKey, string(c.SecretKey), "")
		c.SecretKey = "" // or it would show where a Storage is printed
	}
	switch {
	case c.Parallel < 1 || c.Parallel > mostParallel:
		return nil, field("Parallel", "is not 1 to 1000")
	case c.ClockMargin < 0 || c.ClockMargin > mostMargin:
		return nil, field("ClockMargin", "is not 0 to 15 minutes")
	case c.Tries < 1 || c.Tries > mostTries:
		return nil, field("Tries", "is not 1 to 100")
	case (c.Bucket == "") == (c.BucketPrefix == ""):
		return nil, field("Bucket", "is set together with BucketPrefix, or neither is")
	case c.Bucket != "" && s3utils.CheckValidBucketNameStrict(c.Bucket) != nil:
		return nil, field("Bucket", "is no name of a bucket")
	case len(c.Prefix) > mostPrefix || strings.ContainsFunc(c.Prefix, notPrefix) || strings.HasPrefix(c.Prefix, "/") || strings.Contains(c.Prefix, "//"):
		return nil, field("Prefix", `is not at most 200 characters of A-Z, a-z, 0-9, "-", "_" and "/", with no "/" first or twice`)
	case c.Prefix != "" && c.Bucket == "":
		return nil, field("Prefix", "is set without Bucket")
	case c.BucketPrefix != "" && !goodBucketPrefix(c.BucketPrefix):
		return nil, field("BucketPrefix", `is not 2 to 30 characters of a-z, 0-9 and "-" that start with a letter or digit, or is kept for Amazon's own use`)
	}
	if err := check.Origins("Origins", c.Origins); err != nil {
		return nil, err
	}
	return parseEndpoint("Endpoint", c.Endpoint, c.Insecure)
}

func notPrefix(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '/'
}

// goodBucketPrefix holds to https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html.
func goodBucketPrefix(s string) bool {
	if len(s) < 2 || len(s) > mostBucketPrefix || s[0] == '-' || strings.ContainsFunc(s, notBucket) {
		return false
	}
	for _, reserved := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(s, reserved) {
			return false
		}
	}
	return true
}

func notBucket(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

// parseEndpoint does not show what is wrong in its error: somebody may have put a password there.
func parseEndpoint(name, endpoint string, insecure bool) (*url.URL, error) {
	bad := field(name, "is no host, host:port, or http:// or https:// URL of these")
	if !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if insecure {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" {
		return nil, bad
	}
	if insecure && u.Scheme == "https" {
		return nil, field(name, "is https:// in spite of Insecure")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func newClient(c *Config, endpoint *url.URL, transport http.RoundTripper) (*minio.Core, error) {
	lookup := minio.BucketLookupAuto
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:        c.Credentials,
		Secure:       endpoint.Scheme == "https",
		Region:       c.Region, // with it known, the client does not ask for a bucket's
		BucketLookup: lookup,
		Transport:    &hinting{transport},
		MaxRetries:   1,

		TrailingHeaders: endpoint.Scheme == "https" && !c.NoChecksums,
	})
	if err != nil {
		return nil, field("Endpoint", "is no host of a server")
	}
	return client, nil
}

// Package s3 keeps chunks in an object store that speaks S3: Amazon's, MinIO, Ceph, versitygw and others.
//
//	storage, err := s3.New(s3.Config{
//		Endpoint: "s3.eu-central-1.amazonaws.com", Region: "eu-central-1", Bucket: "chunks",
//		AccessKey: id, SecretKey: stacksync.Secret(secret),
//	})
//	if err != nil { … }
//	defer storage.Close()
//
// Hand the Storage to the service as its storage. It is a stacksync.ChunkWriter and ChunkReader, through which content goes by way of
// the host, and a stacksync.ChunkSigner, by which clients bring and fetch it themselves. WithUsers makes it an AccountProvisioner, too.
//
// # Layouts
//
// With Config.Bucket all containers share one bucket, which must exist; this is for any number of workspaces:
//
//	<Prefix><container>/.container   is there while the container exists
//	<Prefix><container>/<object>     a chunk
//
// With Config.BucketPrefix each container is a bucket. That is what accounts need, since access is granted bucket by bucket. Amazon
// allows an AWS account 10,000 buckets. A container's bucket is called BucketPrefix+container; where that has 63 characters or more, which
// is the most that S3 takes, the end is replaced by a hash of it.
//
// The object of a chunk whose name is 1 to 200 of a-z, 0-9, "-" and "_" (a hash in lower-case hex, say) has its name. All other names are
// spelled in base32. Objects that no chunk can have are not listed; they go with their container.
//
// # What the server must do
//
// Objects must be readable as soon as they are written (Amazon's are since 2020), and be listed in the order of their keys (directory
// buckets are not). Writes say If-None-Match: *, so that no stored chunk is ever replaced; for a server that refuses this there is
// Config.Unconditional. Versions of objects should be off, and with them object lock: deleted chunks would go on taking space. Some servers,
// versitygw among them, take no chunk again then that was deleted; CreateContainer tries that where a bucket keeps versions, and fails with an
// ErrVersioned, as does a write that meets it. A Config.Bucket that does not exist is an ErrNoBucket.
//
// Versitygw 1.8.0 keeps what came of content that was cut off where nothing tells the sum or the length of it. What the host writes is safe
// from that; signed requests are where SignChunksParams.SHA256 is set, as a service does whose chunks are named so.
//
// A process that is killed may leave parts of a chunk of more than 32 MiB. They are not visible, and go with their container; a rule of
// the bucket's life cycle, AbortIncompleteMultipartUpload after a day, removes them sooner.
//
// # Tries
//
// What is refused for a while (408, 429, 5xx, SlowDown and the like), or fails in the network, is tried again, at most Config.Tries times
// in all. Between two tries lies a random time of up to 100 ms, twice as much after each, at most 10 s, but no less than the server has
// asked for with Retry-After. A call ends with the last error where it is to wait longer than a minute, or longer than ctx allows.
//
// # StoredAt
//
// A chunk's StoredAt is when its object was first written or copied. Writing it again does not change that.
package s3

import (
	"log/slog"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/stacksync/stacksync-go"
)

// Storage is a stacksync.StorageProvisioner, ChunkWriter, ChunkReader and ChunkSigner over an S3
// server. Make it with New. All methods may be called from many goroutines.
type Storage struct {
	cfg    Config
	client *minio.Core // never tries again by itself: see try
	// signing is client, but for Config.ClientEndpoint.
	signing *minio.Core
	idle    func() // closes idle connections
	log     *slog.Logger
	layout  layout
	known   containers
	looks   bucketLooks
	// checksums follow content over TLS.
	checksums bool
	parts     sync.Pool // of *[]byte, partSize long

	// Replaced in tests.
	sleep    func(time.Duration) <-chan time.Time
	copyMost int64
	copyPart int64
}

// New makes a Storage. It does no input or output: whether the server is there and takes the keys shows at the first call. A setting
// that can't work is a *stacksync.FieldError.
func New(c Config) (*Storage, error) {
	endpoint, err := c.complete()
	if err != nil {
		return nil, err
	}
	s := &Storage{
		cfg: c, log: c.Logger, checksums: endpoint.Scheme == "https" && !c.NoChecksums, layout: layoutOf(&c), parts: sync.Pool{New: newPart},
		sleep: time.After, copyMost: mostCopied, copyPart: copiedPart,
	}
	transport := c.Transport
	if transport == nil {
		own := newTransport(&c)
		transport, s.idle = own, own.CloseIdleConnections
	}
	if s.client, err = newClient(&c, endpoint, transport); err != nil {
		return nil, err
	}
	s.signing = s.client
	if c.ClientEndpoint != "" {
		clientEndpoint, err := parseEndpoint("ClientEndpoint", c.ClientEndpoint, c.Insecure)
		if err != nil {
			return nil, err
		}
		if s.signing, err = newClient(&c, clientEndpoint, transport); err != nil {
			return nil, err
		}
	}
	s.cfg.Credentials = nil // the clients have them; they would show where a Storage is printed
	return s, nil
}

// Close closes idle connections. Calls that are running, and open readers, go on.
func (s *Storage) Close() error {
	if s.idle != nil {
		s.idle()
	}
	return nil
}

var (
	_ stacksync.StorageProvisioner = (*Storage)(nil)
	_ stacksync.ChunkWriter        = (*Storage)(nil)
	_ stacksync.ChunkReader        = (*Storage)(nil)
	_ stacksync.ChunkSigner        = (*Storage)(nil)
)

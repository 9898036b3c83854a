//go:build unix

// Package serverenv tells a program by its environment where a storage server is, under the names that examples/quickstart reads.
package serverenv

import (
	"context"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stacksync/stacksync-go/internal/openstack"
	"github.com/stacksync/stacksync-go/internal/proftpd"
	"github.com/stacksync/stacksync-go/internal/versitygw"
)

// Variable is an environment variable.
type Variable struct{ Name, Value string }

// bucket is the one that S3 makes.
const bucket = "stacksync"

// S3 tells of an S3 server, in which it makes a bucket, unless that is there.
func S3(ctx context.Context, s *versitygw.Server) ([]Variable, error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := minio.New(s.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region, Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("make a client of the S3 server: %w", err)
	}
	exists, err := client.BucketExists(ctx, bucket)
	if err == nil && !exists {
		err = client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: s.Region})
	}
	if err != nil {
		return nil, fmt.Errorf("make bucket %q: %w", bucket, err)
	}
	return []Variable{
		{"STACKSYNC_S3_ENDPOINT", "http://" + s.Endpoint},
		{"STACKSYNC_S3_REGION", s.Region},
		{"STACKSYNC_S3_BUCKET", bucket},
		{"AWS_ACCESS_KEY_ID", s.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", s.SecretKey},
	}, nil
}

// Swift tells of a Swift, as the client of OpenStack does.
func Swift(s *openstack.Server) []Variable {
	return []Variable{
		{"OS_IDENTITY_API_VERSION", "3"},
		{"OS_AUTH_URL", s.AuthURL},
		{"OS_REGION_NAME", s.Region},
		{"OS_PROJECT_NAME", s.Project},
		{"OS_PROJECT_DOMAIN_NAME", s.Domain},
		{"OS_USERNAME", s.User},
		{"OS_USER_DOMAIN_NAME", s.Domain},
		{"OS_PASSWORD", s.Password},
	}
}

// FTP tells of an FTP server.
func FTP(s *proftpd.Server) []Variable {
	return []Variable{
		{"STACKSYNC_FTP_ADDR", s.Addr},
		{"STACKSYNC_FTP_USER", proftpd.Service},
		{"STACKSYNC_FTP_PASSWORD", proftpd.ServicePassword},
		{"STACKSYNC_FTP_FOLDER", "/"},
		{"STACKSYNC_FTP_CA", s.CAFile},
	}
}

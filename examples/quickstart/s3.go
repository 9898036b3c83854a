package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/s3"
)

var s3Settings = []setting{
	{name: "STACKSYNC_S3_ENDPOINT", about: "URL of the server: https://s3.eu-central-1.amazonaws.com"},
	{name: "STACKSYNC_S3_REGION", about: "its region (default: us-east-1)", optional: true},
	{name: "STACKSYNC_S3_BUCKET", about: "a bucket that is there (default: makes one, and deletes it)", optional: true},
	{name: "AWS_ACCESS_KEY_ID", about: "the access key"},
	{name: "AWS_SECRET_ACCESS_KEY", about: "its secret"},
}

func openS3(_ context.Context, _ string, log *slog.Logger) (opened, error) {
	c := s3.Config{
		Endpoint: os.Getenv("STACKSYNC_S3_ENDPOINT"), Region: os.Getenv("STACKSYNC_S3_REGION"),
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: stacksync.Secret(os.Getenv("AWS_SECRET_ACCESS_KEY")),
		Logger: log,
	}
	if c.Bucket = os.Getenv("STACKSYNC_S3_BUCKET"); c.Bucket == "" {
		c.BucketPrefix = "stacksync-quickstart-" // a bucket for each workspace
	}
	return s3.New(c)
}

package s3

import "time"

// What tests reach inside for.

func SetSleep(s *Storage, sleep func(time.Duration) <-chan time.Time) { s.sleep = sleep }

func SetCopyLimits(s *Storage, most, part int64) { s.copyMost, s.copyPart = most, part }

func RetryAfter(header string, now time.Time) time.Duration { return retryAfter(header, now) }

func BucketName(prefix, container string) string { return bucketName(prefix, container) }

func Before(key string) string { return before(key) }

func Backoff(n int) time.Duration { return backoff(n) }

const (
	MostWhole = mostWhole
	PartSize  = partSize
)

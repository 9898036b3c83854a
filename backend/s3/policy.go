package s3

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/stacksync/stacksync-go"
)

// mostPolicy is how many bytes a bucket's policy may have:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html.
const mostPolicy = 20 << 10

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal struct{ AWS []string }
	Action    []string
	Resource  []string
}

// policyOf returns the policy that grants what is asked for to those accounts that exist; empty if there are none. Each account is
// named once, since the size is limited.
func policyOf(bucket, region string, grants []stacksync.Grant, principals map[string]string) (string, error) {
	var readers, writers []string
	for _, g := range grants {
		principal, exists := principals[g.Account]
		switch {
		case !exists:
		case g.Permission == stacksync.ReadWrite:
			writers = append(writers, principal)
		default:
			readers = append(readers, principal)
		}
	}
	arn := "arn:" + partition(region) + ":s3:::" + bucket
	p := policy{Version: "2012-10-17"}
	for _, s := range []struct {
		id     string
		who    []string
		action []string
	}{
		{"Read", readers, []string{"s3:GetObject", "s3:ListBucket"}},
		{"ReadWrite", writers, []string{"s3:GetObject", "s3:ListBucket", "s3:PutObject"}},
	} {
		if len(s.who) == 0 {
			continue
		}
		slices.Sort(s.who)
		st := statement{Sid: s.id, Effect: "Allow", Action: s.action, Resource: []string{arn, arn + "/*"}}
		st.Principal.AWS = s.who
		p.Statement = append(p.Statement, st)
	}
	if p.Statement == nil {
		return "", nil
	}
	text, err := json.Marshal(p)
	if err == nil && len(text) > mostPolicy {
		err = &stacksync.FieldError{
			Field: "Grants", Reason: fmt.Sprintf("names %d accounts that exist, for which a bucket's policy has %d bytes; S3 takes %d",
				len(readers)+len(writers), len(text), mostPolicy), Err: stacksync.ErrLimit,
		}
	}
	return string(text), err
}

// partition is Amazon's name for the part of its cloud that a region is in.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// pathStyle reports whether the client puts a bucket into the path.
func (s *Storage) pathStyle(bucket string) bool {
	return s.cfg.PathStyle || !s3utils.IsVirtualHostSupported(*s.signing.EndpointURL(), bucket)
}

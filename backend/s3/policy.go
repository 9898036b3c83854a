package s3

import (
	"encoding/json"
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

// policyOf returns the policy that grants what is asked for to those accounts that exist, the first of them where S3 takes no more, and
// which it leaves out; an empty one if there are none. Each account is named once, since the size is limited.
func policyOf(bucket, region string, grants []stacksync.Grant, principals map[string]string) (text string, omitted []string, err error) {
	existing := slices.DeleteFunc(slices.Clone(grants), func(g stacksync.Grant) bool { return principals[g.Account] == "" })
	for n := len(existing); n > 0; {
		data, err := json.Marshal(policyFor(bucket, region, existing[:n], principals))
		if err != nil {
			return "", nil, err
		}
		if len(data) <= mostPolicy {
			for _, g := range existing[n:] {
				omitted = append(omitted, g.Account)
			}
			return string(data), omitted, nil
		}
		n = min(n-1, n*mostPolicy/len(data)+1)
	}
	return "", nil, nil
}

func policyFor(bucket, region string, grants []stacksync.Grant, principals map[string]string) policy {
	var readers, writers []string
	for _, g := range grants {
		if g.Permission == stacksync.ReadWrite {
			writers = append(writers, principals[g.Account])
		} else {
			readers = append(readers, principals[g.Account])
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
	return p
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

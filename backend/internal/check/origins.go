package check

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/stacksync/stacksync-go"
)

const mostOrigins = 100 // rules of S3 take no more

// SetOrigins checks the parameters of the method.
func SetOrigins(ctx context.Context, p stacksync.SetOriginsParams) error {
	return first(ctx, container("Container", p.Container), Origins("Origins", p.Origins))
}

// Origins checks origins of web sites that are in a field: "*", or a scheme and a host as browsers write them.
func Origins(field string, list []string) error {
	if len(list) > mostOrigins {
		return &stacksync.FieldError{Field: field, Reason: fmt.Sprintf("are more than %d", mostOrigins), Err: stacksync.ErrLimit}
	}
	for i, origin := range list {
		if origin != "*" && !isOrigin(origin) {
			return &stacksync.FieldError{
				Field: fmt.Sprintf("%s[%d]", field, i), Reason: `is neither "*" nor an origin as https://host or https://host:port, in lower case`,
			}
		}
	}
	return nil
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	return s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && !strings.ContainsAny(s, " *,;%\"'<>\\") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

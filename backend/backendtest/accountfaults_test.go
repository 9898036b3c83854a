package backendtest

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/stacksync/stacksync-go"
)

type (
	putAccountCall    = call[stacksync.PutAccountParams, stacksync.PutAccountResult]
	deleteAccountCall = call[stacksync.DeleteAccountParams, stacksync.DeleteAccountResult]
	setAccessCall     = call[stacksync.SetAccessParams, stacksync.SetAccessResult]
)

// accountMutants are wrong about accounts, and what clients call things.
var accountMutants = map[string]cloudMutant{
	"writers see what writers put": {caught: []string{"AccountAndService", "AccountRead"}, change: func(c *cloud) {
		next, written := c.vault.allows, map[string]bool{}
		c.vault.allows = func(v *visitor, op, object string) bool {
			ok := next(v, op, object)
			if ok && op == "put" {
				written[object] = true
			}
			return ok && (op != "get" || written[object])
		}
	}},
	"objects are cut": {caught: []string{"AccountNames"}, change: func(c *cloud) {
		after(&c.locate, func(_ stacksync.LocateParams, r *stacksync.LocateResult) {
			for i, o := range r.Objects {
				r.Objects[i] = o[:min(len(o), 100)]
			}
		})
	}},
	"objects are folded": {caught: []string{"AccountLocate", "AccountNames"}, change: func(c *cloud) {
		before(&c.locate, func(p *stacksync.LocateParams) {
			p.Names = slices.Clone(p.Names)
			for i, name := range p.Names {
				p.Names[i] = strings.ToLower(name)
			}
		})
	}},
	"a location has no protocol": {caught: []string{"AccountLocate"}, change: func(c *cloud) {
		after(&c.locate, func(_ stacksync.LocateParams, r *stacksync.LocateResult) { r.Location.Protocol = "" })
	}},
	"secrets are cut": {caught: []string{"AccountSecrets"}, change: func(c *cloud) {
		c.vault.opens = func(at account, secret stacksync.Secret) bool {
			return len(secret) > 15 && at.secret[:15] == secret[:15]
		}
	}},
	"long secrets don't work": {caught: []string{"AccountSecrets"}, change: func(c *cloud) {
		next := c.vault.opens
		c.vault.opens = func(at account, secret stacksync.Secret) bool { return len(secret) <= 48 && next(at, secret) }
	}},
	"an account may come twice": {caught: []string{"AccountBadParams"}, change: func(c *cloud) {
		before(&c.setAccess, func(p *stacksync.SetAccessParams) {
			if len(p.Grants) == 2 && p.Grants[0] == p.Grants[1] {
				p.Grants = p.Grants[:1]
			}
		})
	}},
	"access does not look at the context": {caught: []string{"AccountCancelled"}, change: func(c *cloud) {
		around(&c.setAccess, func(ctx context.Context, next setAccessCall, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
			return next(context.WithoutCancel(ctx), p)
		})
	}},

	"an account is always made new": {caught: []string{"AccountSameSecret"}, change: func(c *cloud) {
		after(&c.putAccount, func(p stacksync.PutAccountParams, _ *stacksync.PutAccountResult) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			c.vault.serial++
			c.vault.accounts[p.Account] = account{secret: p.Secret, serial: c.vault.serial}
		})
	}},
	"sessions outlive their secret": {caught: []string{"AccountNewSecret"}, change: func(c *cloud) {
		c.vault.goesOn = func(_ *visitor, _ account, exists bool) bool { return exists }
	}},
	"a secret stays": {caught: []string{"AccountNewSecret"}, change: func(c *cloud) {
		around(&c.putAccount, func(ctx context.Context, next putAccountCall, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
			c.vault.mu.Lock()
			now, exists := c.vault.accounts[p.Account]
			c.vault.mu.Unlock()
			if exists {
				p.Secret = now.secret
			}
			return next(ctx, p)
		})
	}},
	"IfExists is not looked at": {caught: []string{"AccountIfExists"}, change: func(c *cloud) {
		around(&c.putAccount, func(ctx context.Context, next putAccountCall, p stacksync.PutAccountParams) (stacksync.PutAccountResult, error) {
			p.IfExists = false
			r, err := next(ctx, p)
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			for _, granted := range c.vault.grants {
				granted[p.Account] = stacksync.Read
			}
			return r, err
		})
	}},
	"sessions outlive their account": {caught: []string{"AccountDeleted", "AccountMadeAgain"}, change: func(c *cloud) {
		c.vault.goesOn = func(*visitor, account, bool) bool { return true }
	}},
	"an account is deleted once": {caught: []string{"AccountDeleted"}, change: func(c *cloud) {
		around(&c.deleteAccount, func(ctx context.Context, next deleteAccountCall, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
			c.vault.mu.Lock()
			_, exists := c.vault.accounts[p.Account]
			c.vault.mu.Unlock()
			if !exists {
				return stacksync.DeleteAccountResult{}, errFault
			}
			return next(ctx, p)
		})
	}},
	"a former secret works again": {caught: []string{"AccountMadeAgain"}, change: func(c *cloud) {
		former := map[stacksync.Secret]bool{}
		around(&c.deleteAccount, func(ctx context.Context, next deleteAccountCall, p stacksync.DeleteAccountParams) (stacksync.DeleteAccountResult, error) {
			c.vault.mu.Lock()
			former[c.vault.accounts[p.Account].secret] = true
			c.vault.mu.Unlock()
			return next(ctx, p)
		})
		next := c.vault.opens
		c.vault.opens = func(at account, secret stacksync.Secret) bool { return former[secret] || next(at, secret) }
	}},
}

// accessMutants are wrong about who may do what.
var accessMutants = map[string]cloudMutant{
	"everybody reads": allows([]string{"AccountNew", "AccountReaderRevoked", "AccountsAreApart"}, func(next allowFunc, v *visitor, op, object string) bool {
		return op == "get" || next(v, op, object)
	}),
	"everybody lists": allows([]string{"AccountNew", "AccountReaderRevoked"}, func(next allowFunc, v *visitor, op, object string) bool {
		return op == "list" || next(v, op, object)
	}),
	"readers put": allows([]string{"AccountRead", "AccountDowngraded"}, func(next allowFunc, v *visitor, op, object string) bool {
		return next(v, op, object) || op == "put" && next(v, "get", object)
	}),
	"readers delete": allows([]string{"AccountRead", "AccountDowngraded"}, func(next allowFunc, v *visitor, op, object string) bool {
		return next(v, op, object) || op == "delete" && next(v, "get", object)
	}),
	"writers can't put": allows([]string{"AccountReadWrite"}, func(next allowFunc, v *visitor, op, object string) bool {
		return op != "put" && next(v, op, object)
	}),
	"an open session goes on reading": remembers([]string{"AccountReaderRevoked"}, "get"),
	"an open session goes on putting": remembers([]string{"AccountDowngraded", "AccountWriterRevoked"}, "put"),
	"containers are prefixes for accounts": allows([]string{"AccountsAreApart"}, func(next allowFunc, v *visitor, op, object string) bool {
		container, _, _ := strings.Cut(v.container, "-b")
		return next(&visitor{login: v.login, container: container}, op, object)
	}),
	"paths reach other containers": {caught: []string{"AccountsAreApart"}, change: func(c *cloud) {
		next := c.vault.resolve
		c.vault.resolve = func(container, object string) (string, string, bool) {
			if to, object, ok := strings.Cut(path.Join(container, object), "/"); ok {
				return next(to, object)
			}
			return next(container, object)
		}
	}},
	"listings show more": {caught: []string{"AccountRead", "AccountsAreApart"}, change: func(c *cloud) {
		c.vault.lists = func(_ *visitor, objects []string) []string { return append(objects, "another") }
	}},
	"whatever is put is a chunk": {caught: []string{"AccountForeignObjects"}, change: func(c *cloud) {
		next := c.vault.resolve
		c.vault.resolve = func(container, object string) (string, string, bool) {
			if inContainer, name, ok := next(container, object); ok {
				return inContainer, name, true
			}
			return container, "foreign", true
		}
	}},
	"a foreign object is no end of a page": {caught: []string{"AccountForeignObjects"}, change: func(c *cloud) {
		var mu sync.Mutex
		foreign := map[string]string{} // with a control character, by container
		c.vault.strange = func(container, object string) error {
			mu.Lock()
			defer mu.Unlock()
			if strings.ContainsFunc(object, unicode.IsControl) {
				foreign[container] = object
			}
			return nil
		}
		around(&c.list, func(ctx context.Context, next listCall, p stacksync.ListChunksParams) (stacksync.ListChunksResult, error) {
			mu.Lock()
			object := foreign[p.Container]
			mu.Unlock()
			switch {
			case object != "" && p.After == object:
				return stacksync.ListChunksResult{}, &stacksync.FieldError{Field: "After", Reason: "is not the Next of a page"}
			case object != "" && p.After == "" && p.Limit == 1:
				return stacksync.ListChunksResult{Next: object}, nil
			}
			return next(ctx, p)
		})
	}},
	"one revoked is all revoked": {caught: []string{"AccountRevokedAlone"}, change: func(c *cloud) {
		before(&c.setAccess, func(p *stacksync.SetAccessParams) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			if len(p.Grants) < len(c.vault.grants[p.Container]) {
				p.Grants = nil
			}
		})
	}},
	"grants only grow": {caught: []string{"AccountDowngraded"}, change: func(c *cloud) {
		before(&c.setAccess, func(p *stacksync.SetAccessParams) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			p.Grants = slices.Clone(p.Grants)
			for i := range p.Grants {
				p.Grants[i].Permission = max(p.Grants[i].Permission, c.vault.grants[p.Container][p.Grants[i].Account])
			}
		})
	}},
	"an unknown account is an error": {caught: []string{"AccountUnknown"}, change: func(c *cloud) {
		around(&c.setAccess, func(ctx context.Context, next setAccessCall, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			for _, g := range p.Grants {
				if _, exists := c.vault.accounts[g.Account]; !exists {
					return stacksync.SetAccessResult{}, errFault
				}
			}
			c.vault.mu.Unlock()
			defer c.vault.mu.Lock()
			return next(ctx, p)
		})
	}},
	"a missing container can be granted": {caught: []string{"AccountMissingContainer"}, change: func(c *cloud) {
		around(&c.setAccess, func(ctx context.Context, next setAccessCall, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
			r, err := next(ctx, p)
			if errors.Is(err, stacksync.ErrNotFound) {
				err = nil
			}
			return r, err
		})
	}},
	"making a container again forgets": {caught: []string{"AccountGrantsLast"}, change: func(c *cloud) {
		before(&c.create, func(p *stacksync.CreateContainerParams) {
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			delete(c.vault.grants, p.Container)
		})
	}},
	"a list has fifteen places": {caught: []string{"AccountsAtOnce"}, change: func(c *cloud) {
		before(&c.setAccess, func(p *stacksync.SetAccessParams) { p.Grants = p.Grants[:min(len(p.Grants), 15)] })
	}},
	"who is made while a list is written is left out": {caught: []string{"AccountsAtOnce"}, change: func(c *cloud) {
		var puts, lists, through atomic.Int32
		looked := make(chan struct{})
		before(&c.putAccount, func(*stacksync.PutAccountParams) {
			if puts.Add(1) > 1 {
				<-looked
			}
		})
		around(&c.setAccess, func(ctx context.Context, next setAccessCall, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
			all := len(p.Grants)
			if lists.Add(1) == 1 {
				c.vault.mu.Lock()
				p.Grants = slices.DeleteFunc(slices.Clone(p.Grants), func(g stacksync.Grant) bool {
					_, exists := c.vault.accounts[g.Account]
					return !exists
				})
				c.vault.mu.Unlock()
				close(looked)
				for through.Load() < int32(all)-1 { // the others come before it
					time.Sleep(time.Millisecond)
				}
			}
			defer through.Add(1)
			return next(ctx, p)
		})
	}},
	"who writes last, writes all": {caught: []string{"AccountGrantsAtOnce"}, change: func(c *cloud) {
		around(&c.setAccess, func(ctx context.Context, next setAccessCall, p stacksync.SetAccessParams) (stacksync.SetAccessResult, error) {
			c.vault.mu.Lock()
			all := clone(c.vault.grants)
			c.vault.mu.Unlock()
			time.Sleep(10 * time.Millisecond) // the others read, too
			r, err := next(ctx, p)
			c.vault.mu.Lock()
			defer c.vault.mu.Unlock()
			all[p.Container] = c.vault.grants[p.Container]
			c.vault.grants = all
			return r, err
		})
	}},
	"another instance grants nothing": {caught: []string{"AccountReopen"}, change: func(c *cloud) {
		second := *c
		before(&second.setAccess, func(p *stacksync.SetAccessParams) { p.Grants = nil })
		c.reopen = func() stacksync.StorageProvisioner { return &second }
	}},
}

type allowFunc = func(v *visitor, op, object string) bool

// allows returns a mutant that decides otherwise what a session may do.
func allows(caught []string, allow func(next allowFunc, v *visitor, op, object string) bool) cloudMutant {
	return cloudMutant{caught: caught, change: func(c *cloud) {
		next := c.vault.allows
		c.vault.allows = func(v *visitor, op, object string) bool { return allow(next, v, op, object) }
	}}
}

// remembers returns a mutant where a session that could do something once can do it for ever.
func remembers(caught []string, what string) cloudMutant {
	return cloudMutant{caught: caught, change: func(c *cloud) {
		next := c.vault.allows
		var could sync.Map
		c.vault.allows = func(v *visitor, op, object string) bool {
			ok := next(v, op, object)
			if _, once := could.Load(v); once && op == what {
				return true
			}
			if ok && op == what {
				could.Store(v, true)
			}
			return ok
		}
	}}
}
